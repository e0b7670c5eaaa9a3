package soak

import (
	"io"
	"sync"
)

// progress is where several goroutines tell what goes on.
type progress struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer: one call at a time.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to.Write(b)
}
