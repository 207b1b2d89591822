-- The shop of the demo at the target: the schema alone. Payments have another
-- shape here, and one constraint is new. Run by the superuser in the database of
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
    PRIMARY KEY (order_id, product_id),
    CONSTRAINT few_of_each CHECK (quantity <= 10) -- the source has no such rule
);

-- What is one table, payments, at the source.
CREATE TABLE receipts (
    id       bigint PRIMARY KEY,
    order_no bigint NOT NULL UNIQUE REFERENCES orders,
    total    numeric(12,2) NOT NULL CHECK (total > 0),
    currency text NOT NULL,
    taken_at timestamptz NOT NULL
);

CREATE TABLE receipt_methods (
    receipt_id bigint PRIMARY KEY REFERENCES receipts,
    method     text NOT NULL CHECK (method IN ('card', 'cash', 'voucher'))
);

-- What browsers write themselves.
CREATE TABLE visits (
    browser bigint PRIMARY KEY,
    pages   bigint NOT NULL
);
