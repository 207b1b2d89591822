package proxy

import "testing"

func TestLargeBuffersStayInTheirBudget(t *testing.T) {
	lender := newBuffers(2*largeBuffer + 1)
	a, b, c := lender.take(true), lender.take(true), lender.take(true)
	if !a.large || !b.large || c.large || lender.lent.Load() != 2*largeBuffer {
		t.Fatalf("large: %v %v %v, lent %d", a.large, b.large, c.large, lender.lent.Load())
	}
	lender.give(c)
	lender.give(a)
	if d := lender.take(true); !d.large || !d.empty() {
		t.Errorf("after one came back: large %v, empty %v", d.large, d.empty())
	}
}

func TestABufferGrowsByWhatHasCome(t *testing.T) {
	c := &conn{lender: newBuffers(largeBuffer)}
	if got := len(c.room().data); got != smallBuffer {
		t.Fatalf("begins with %d bytes", got)
	}
	c.filled(smallBuffer)
	if c.stuck() {
		t.Fatal("stuck while a larger buffer is to be had")
	}
	if got := len(c.room().data); got != largeBuffer || len(c.unread()) != smallBuffer {
		t.Fatalf("%d bytes, %d of them unread", got, len(c.unread()))
	}
	c.filled(largeBuffer - smallBuffer)
	if !c.stuck() {
		t.Error("not stuck in the largest buffer")
	}
	c.use(largeBuffer)
	if c.buf != nil || c.lender.lent.Load() != 0 {
		t.Error("an empty buffer is kept")
	}
}
