SELECT a, A, _a, a1, a_b, a$b, a$1, __
%%
SELECT é, Ünïcode, 日本, x日1$
%%
SELECT "a", "A b", "it's", "say ""hi""", """", "a""""b"
%%
SELECT "two
lines", "--", "/*", "$$", "a;b"
%%
SELECT "a"'b', 'a'"b", "a""b"
%%
SELECT "a" "b", "a"
"b"
%%
SELECT U&"d\0061ta", u&"x", U&"say ""hi"""
%%
SELECT U&"d!0061ta" UESCAPE '!'
%%
SELECT U & "a", U& "b", u&
"c"
%%
SELECT Ux&"a", xU&"a"
%%
SELECT a.b, a . b, a."b", "a".b, a.b.c.d, a.*, "a".*
%%
SELECT a.select, a.from.where
%%
SELECT e, b, x, n, u, E, B, X, N, U
%%
SELECT e.b, x.n, u.e
%%
SELECT "select", "FROM" FROM "where"
%%
SELECT select_, fromm, wherex FROM tablet
%%
select Select SELECT sElEcT
%%
SELECT a_very_long_identifier_that_is_longer_than_the_sixty_three_bytes_that_postgresql_keeps
%%
SELECT "a_very_long_identifier_that_is_longer_than_the_sixty_three_bytes_that_postgresql_keeps"
%%
SELECT (row).field, (a).b.c, a[1].b, (a[1]).*
%%
SELECT a[1], a[1:2], a[:], a[:2], a[1:], a[b:c], a[b::int]
%%
SELECT ARRAY[1, 2][1], ARRAY[[1], [2]], '{1,2}'::int[], x::int[3][4]
%%
SELECT current_user, session_user, current_date, localtime(3)
%%
SELECT * FROM "public"."users" AS "u" WHERE "u"."id" = 1
