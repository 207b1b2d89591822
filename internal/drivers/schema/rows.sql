-- The same rows on both sides.
INSERT INTO people VALUES
  (1, 'Ada', 'happy', '{happy,ok}', 'ok', ROW('High Street', 3, 'ok'), ARRAY[ROW('High Street', 3, 'ok'), ROW('Mews', 0, 'sad')]::place[], '[1,2.5)', '{"[1,2.5)","(3,)"}'),
  (2, 'Ben', 'sad', '{}', NULL, ROW(NULL, NULL, 'happy'), '{}', 'empty', '{}'),
  (3, 'Cem', NULL, NULL, 'happy', NULL, NULL, NULL, NULL);
INSERT INTO items (label, price, cost, stock, made, tags, extra)
  SELECT 'item ' || n, n + 0.25, CASE WHEN n % 3 > 0 THEN n END, n * 10, timestamptz '2024-03-01 10:00+00' + n * interval '1 hour',
    ARRAY['tag ' || n % 4, 'ä'], jsonb_build_object('n', n) FROM generate_series(1, 40) AS n;
INSERT INTO visits SELECT n, 'visit ' || n FROM generate_series(1, 5) AS n;
