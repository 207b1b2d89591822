-- The shop of the demo at the source: its tables and what is in them at the
-- beginning, the same rows every time. Run by the superuser in the database of
-- the role shop.
SET ROLE shop;

CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    name       text NOT NULL,
    city       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku   text NOT NULL UNIQUE,
    name  text NOT NULL,
    price numeric(12,2) NOT NULL CHECK (price > 0),
    stock integer NOT NULL CHECK (stock >= 0)
);

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    state       text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'paid')),
    total       numeric(12,2) NOT NULL CHECK (total > 0),
    placed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer ON orders (customer_id);

CREATE TABLE order_items (
    order_id   bigint NOT NULL REFERENCES orders,
    product_id bigint NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity > 0),
    price      numeric(12,2) NOT NULL CHECK (price > 0), -- of one, when it was ordered
    PRIMARY KEY (order_id, product_id)
);

CREATE TABLE payments (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE REFERENCES orders, -- an order is paid once
    amount   numeric(12,2) NOT NULL CHECK (amount > 0),
    method   text NOT NULL CHECK (method IN ('c', 'k', 'v')),
    paid_at  timestamptz NOT NULL DEFAULT now()
);

-- What browsers write themselves.
CREATE TABLE visits (
    browser bigint PRIMARY KEY,
    pages   bigint NOT NULL
);

INSERT INTO customers (email, name, city)
SELECT 'customer' || n || '@example.com', 'Customer ' || n,
       (ARRAY['Bern', 'Gent', 'Lyon', 'Oslo', 'Porto', 'Riga', 'Turin', 'Vienna'])[1 + n % 8]
FROM generate_series(1, 5000) AS n;

INSERT INTO products (sku, name, price, stock)
SELECT 'SKU-' || lpad(n::text, 4, '0'), 'Product ' || n, 1 + (n * 37 % 9900) / 100.0, 1000000
FROM generate_series(1, 200) AS n;

-- Order n has one to four products, and two orders of three are paid.
CREATE TEMPORARY TABLE basket AS
SELECT n AS order_id, p.id AS product_id, 1 + (n + i) % 3 AS quantity, p.price
FROM generate_series(1, 12000) AS n
CROSS JOIN LATERAL generate_series(1, 1 + n % 4) AS i
JOIN products AS p ON p.id = 1 + (n * 7 + i * 31) % 200;

INSERT INTO orders (customer_id, state, total)
SELECT 1 + order_id % 5000, CASE WHEN order_id % 3 = 0 THEN 'new' ELSE 'paid' END, sum(quantity * price)
FROM basket GROUP BY order_id ORDER BY order_id;

INSERT INTO order_items (order_id, product_id, quantity, price)
SELECT order_id, product_id, quantity, price FROM basket;

INSERT INTO payments (order_id, amount, method)
SELECT id, total, (ARRAY['c', 'k', 'v'])[1 + id % 3] FROM orders WHERE state = 'paid' ORDER BY id;

DROP TABLE basket;
ANALYZE customers, products, orders, order_items, payments;
