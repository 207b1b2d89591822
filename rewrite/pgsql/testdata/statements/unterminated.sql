SELECT 'a
%%
SELECT 'a''
%%
SELECT E'a\'
%%
SELECT E'a\
%%
SELECT B'01
%%
SELECT X'1F
%%
SELECT N'a
%%
SELECT U&'a
%%
SELECT 'a'
'b
%%
SELECT 'a' -- x
'b
%%
SELECT "a
%%
SELECT "a""
%%
SELECT U&"a
%%
SELECT $$a
%%
SELECT $tag$a$tag
%%
SELECT $tag$a$$
%%
SELECT $tag$a$TAG$
%%
SELECT /* a
%%
SELECT /* a /* b */
%%
/*
%%
/*/
%%
SELECT 1 /* LISTEN x; */ /*
%%
SELECT 'a'; LISTEN b; SELECT '
