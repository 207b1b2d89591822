SELECT 1
+	2;-- xSELECT 3
%%
SELECT1
%%
SELECT 'a''b', 'c'
	'd', 'e'
'f'
%%
-- only a remark
%%
/* only a remark */
%%
;
%%
;;; -- nothing
;
%%
SELECT 1 -- one
, 2 -- two
%%
SELECT 1 --
, 2
%%
SELECT 1 --- three
, 2
%%
SELECT 1 -- it's "odd" /* $$
, 2
%%
SELECT 1 - - 2
%%
SELECT 1 /* one */ , /* two */ 2
%%
SELECT 1 /* nested /* twice /* thrice */ */ */ , 2
%%
SELECT 1 /* -- */ , 2
%%
SELECT 1 -- /*
, 2 /* */
%%
SELECT 1 /* it's "odd" $$ ; */ , 2
%%
SELECT 1 /**/ , 2 /***/ , 3 /****/ , 4 /*/*/**/*/*/
%%
SELECT 1 /*/ */ , 2
%%
SELECT 1 /* ** / * */ , 2 /* /* **/ */
%%
/*+ IndexScan(t) */ SELECT 1
%%
/*@ x */ SELECT/**/1/**/FROM/**/t
%%
/*
 * many
 * lines
 */
SELECT 1;
-- end
%%
SELECT/* a */a/* b */./* c */b
%%
SELECT 1;SELECT 2;;SELECT 3;
%%
SELECT ';' ; SELECT ";" ; SELECT $$;$$ ; SELECT 1 /* ; */ ; -- ;
%%
BEGIN; INSERT INTO t VALUES (1); COMMIT
%%
SELECT 'a' /* x */ 'b'
%%
SELECT 'a'--x
'b'
%%
SELECT 'a'--x
%%
SELECT 'a'

--x

--y
'b'
%%
SELECT 'a' -
'b'
