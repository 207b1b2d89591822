SELECT 'plain'
%%
SELECT ''
%%
SELECT 'it''s', '''', ''''''
%%
SELECT 'a\', 'b'
%%
SELECT 'C:\dir\', "x" FROM t WHERE y = 'z'
%%
SELECT 'a;b--c/*d*/$$e$$'
%%
SELECT 'two
lines'
%%
SELECT 'first'
'second'
%%
SELECT 'first'
	  'second'  
'third'
%%
SELECT 'first' -- a remark
'second'
%%
SELECT 'first' -- a remark
-- and another one
   -- indented
'second'
%%
SELECT 'first' /* no */
'second'
%%
SELECT 'first'
/* no */ 'second'
%%
SELECT 'first' 'second'
%%
SELECT 'first' -- the end
%%
SELECT 'first'
- 1
%%
SELECT 'first' -
'second'
%%
SELECT E'tab\tquote\'end', E'\\', e'\\\''
%%
SELECT E'doubled '' and \' both'
%%
SELECT E'octal \101 hex \x41 unicode \u0041 \U00000041'
%%
SELECT E'surrogates \uD83D\uDE00'
%%
SELECT E'bad escapes \q\-\ '
%%
SELECT E'goes \'on'
'\'and on'
'.'
%%
SELECT E'\'' 'not a continuation'
%%
SELECT e '\'
%%
SELECT U&'d\0061t\+000061', u&'x'
%%
SELECT U&'d!0061t!+000061' UESCAPE '!'
%%
SELECT U&'it''s \\ done'
%%
SELECT U&'a'
'b' UESCAPE '!'
%%
SELECT U & 'a', u& 'b', U&x, U&+1
%%
SELECT B'0101', b'', X'1FF', x'dead'
%%
SELECT B'01'
'10', X'a'
'b'
%%
SELECT B'01''10', X'a''b'
%%
SELECT B '01', X '1F'
%%
SELECT N'national', n'it''s', N ''
%%
SELECT N'goes'
'on'
%%
SELECT Nx'a', xN'b', eE'c', _e'd'
%%
SELECT interval '1 day', timestamp'2020-01-01', date '2020-01-01'
%%
SELECT 'é', 'naïve', '日本語', E'日\'本'
%%
SELECT $$$$, $$dollar$$, $$it's "quoted" -- /* no$$
%%
SELECT $tag$ $$ $other$ $tag $tag$
%%
SELECT $a$x$aa$y$a$
%%
SELECT $a$x$$a$
%%
SELECT $a$x$b$a$
%%
SELECT $_$x$_$, $A1_$x$A1_$, $é$x$é$, $日本$x$日本$
%%
SELECT $A$ $a$ $A$
%%
SELECT $q$a$q$'b'
%%
SELECT $q$a$q$$q$b$q$
%%
SELECT a$$b, a$b$c$d, "a"$$b$$
%%
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
  RETURN $inner$;'"$inner$;
END
$body$
%%
DO $do$ BEGIN EXECUTE $x$LISTEN a$x$; END $do$
%%
SELECT 1 $a
%%
SELECT $a b$
%%
SELECT $1$$x$$
