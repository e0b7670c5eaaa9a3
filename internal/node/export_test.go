package node

// HeapPercent is the share by which a heap may grow of which so much lives.
func HeapPercent(live uint64) int { return heapPercent(live) }
