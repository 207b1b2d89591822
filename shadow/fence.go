package shadow

// Every writer of ours at the other side begins its transaction with the fence
// (DESIGN P4, ENGINE §6.16): it takes an advisory lock shared, which a change of
// the authority takes exclusively, and reads the epoch. A row lock would breed a
// multixact per transaction (WRITEPATH §9).

// FenceKey is the advisory lock of the fence.
const FenceKey = 7162254108511821

// FenceLock answers one row: whether the lock was had. The epoch is read by a
// statement after it, whose snapshot sees a change that held the lock before.
const FenceLock = "SELECT pg_catalog.pg_try_advisory_xact_lock_shared(7162254108511821)"
