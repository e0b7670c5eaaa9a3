package bad

import "time"

// Now may read the clock: the file is listed.
func Now() time.Time { return time.Now() }
