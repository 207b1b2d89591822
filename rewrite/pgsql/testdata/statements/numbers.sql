SELECT 0, 1, 42, 007, 12345678901234567890
%%
SELECT 1.5, 1., .5, 0.5, 001.500
%%
SELECT 1e5, 1E5, 1e+5, 1e-5, 1.5e10, 1.e5, .5e-3, 1.5E+10
%%
SELECT -1, +1, - 1, -1.5, -.5, 1-1, 1 -1, 1- -1, 1+-1
%%
SELECT 0x1F, 0XfF, 0o17, 0O7, 0b101, 0B0
%%
SELECT 0x_1F, 0o_17, 0b_1, 0xdead_beef
%%
SELECT 1_000, 1_000_000, 1_000.5, 1.000_5, 1_0.2_5e1_0, .1_2
%%
SELECT 1..10, 1 .. 10, 1...5
%%
SELECT 1.5..2.5, 1.5.5, .5.5
%%
SELECT 1.a
%%
SELECT 1,2;3
%%
SELECT 1::int, 1.5::numeric(10,2), 1e5::float8
%%
SELECT 1*2/3%4^5, 1<2, 1>2, 1=2
%%
SELECT 1.0/3, 1/.5, 1./2
%%
SELECT a1, a.1, a .5
%%
SELECT (1), [2]
%%
SELECT 1--2
%%
SELECT 1/*2*/3
%%
SELECT 1'a', 1"b", 1(2)
%%
SELECT 1$1
%%
SELECT $1, $2, $10, $1+$2, $1.5, $1::int, $1$2
%%
SELECT $1, $01, $1;
%%
SELECT f($1,$2)[$3:$4]
%%
SELECT 1e5.5, 1e5..2
%%
SELECT 1_
%%
SELECT 1a, 0xg, 0x, 1e, 1e+, $1a
%%
SELECT 0x1g, 1_0a, 0b12, 0o8
%%
SELECT 0x1F$$ a $$
