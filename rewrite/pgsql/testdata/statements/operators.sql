SELECT 1 + 2 - 3 * 4 / 5 % 6 ^ 7
%%
SELECT a < b, a > b, a = b, a <= b, a >= b, a <> b, a != b
%%
SELECT a<b, a>b, a=b, a<=b, a>=b, a<>b, a!=b
%%
SELECT a=-1, a=+1, a<-1, a>=-1, a<>-1, a!=-1, a*-1, a=- -1
%%
SELECT a@-b, a?-b, a~-b, a!-b, a#-b, a^-b, a&-b, a|-b, a`-b, a%-b
%%
SELECT a-@b, a-~-b, a+-+b, a-+-b, a+*b, a*+b
%%
SELECT a ->> 'b', a -> 'b' -> 0, a #> '{a}', a #>> '{a}', a #- '{a}', a->-1, a->>-1
%%
SELECT a @> b, a <@ b, a ? 'x', a ?| b, a ?& b, a @? '$.x', a @@ '$.x'
%%
SELECT a || b, a ~ b, a ~* b, a !~ b, a !~* b, a ~~ b, a !~~* b
%%
SELECT a << b, a >> b, a & b, a | b, a # b, ~a, @a, |/a, ||/a, !!a
%%
SELECT a <-> b, a <#> b, a <=> b, a <+> b, a <<-> b, a <->> b
%%
SELECT a && b, a -|- b, a &< b, a &> b, a <<| b, a |>> b
%%
SELECT a ?-| b, a ?|| b, a ## b, @-@ a, @@ a, ?- a, ?| a
%%
SELECT a::int, a::int::text, a :: int, -1::int
%%
SELECT f(a => 1, b := 2), f(a=>1), f(a=>-1), f(a:=-1)
%%
SELECT a=>b, a = > b, a=>=b, a==>b, a=>>b
%%
SELECT a:b, a::b, a:::b, a::::b, a:=b, a::=b, a:==b
%%
SELECT a<=-b, a>=-b, a=>-b, a<>+b, a!=+b
%%
SELECT a+/*c*/b, a+--c
b
%%
SELECT a</*c*/b, a<=/*c*/b, a=>/*c*/b, a!=/*c*/b, a@/*c*/b
%%
SELECT a+-/*c*/b, a@-/*c*/b, a@--c
b
%%
SELECT a*/b
%%
SELECT a/ *b, a/+*b
%%
SELECT a *//* c */ b
%%
SELECT a OPERATOR(pg_catalog.+) b, a OPERATOR ( @ ) b
%%
SELECT count(*), a.*, 2*3, (*)
%%
SELECT a<>ALL(b), a=ANY($1), a=ANY ('{1}')
%%
SELECT a IS NOT NULL AND NOT b OR c
%%
CREATE OPERATOR === (LEFTARG = box, RIGHTARG = box, FUNCTION = area_equal, COMMUTATOR = ===)
%%
DROP OPERATOR IF EXISTS ~ (none, bit), @#@ (int8, none)
%%
SELECT `a, a`b
%%
SELECT a\b, {a}, a}
%%
SELECT 1 <<<>>> 2, 1 ------ 2
3
