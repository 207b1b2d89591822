// Package image writes the SQL that brings row images to the target and reads
// them at the source, and the binary values that its parameters take. It is
// pure: a Pair of a resolved plan goes in, texts come out.
//
// An image is evaluated where no column of the target can be met: the cells are
// a sub-select of their own, called like the source table, and expressions of
// the mapping see nothing else.
//
//	UPDATE "sales"."orders_v2" AS t SET "total" = m.c2
//	FROM (SELECT CAST("id" AS bigint) AS c1, CAST(<up> AS numeric) AS c2
//	      FROM (SELECT $1::integer AS "id", $2::numeric AS "amount" OFFSET 0) AS "orders"
//	      WHERE (<when>)) AS m
//	WHERE t."id" OPERATOR(pg_catalog.=) m.c1
//
// OFFSET 0 keeps the planner from putting the parameters into the expressions:
// it would evaluate one that When excludes, and fail.
//
// Values of a type of the server are cast to it without its modifier; the
// modifier is the server's own assignment cast, which refuses what is too long
// (22001) where an explicit cast would cut it off. Values of a type of a user are
// what Assignment.Up makes of them.
//
// An update or an upsert never touches the columns of the key, identity columns
// that are GENERATED ALWAYS and initial values. Where Diff names one of them
// (Texts.Fixed), the row has to be deleted and inserted.
package image
