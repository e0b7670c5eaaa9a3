package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, 100 a second on every Linux.
const tick = time.Second / 100

// CPU is what the process has used since its start, user and system, all threads, to a hundredth of a second.
func CPU(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, Failed("read the CPU time of a process", err)
	}
	return ParseStat(data)
}

// ParseStat reads utime and stime out of /proc/PID/stat. The name before them may hold spaces and brackets.
func ParseStat(data []byte) (time.Duration, error) {
	_, rest, ok := bytes.Cut(data, []byte(")"))
	for ok && bytes.IndexByte(rest, ')') >= 0 {
		_, rest, _ = bytes.Cut(rest, []byte(")"))
	}
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, Failed("read the CPU time of a process", errors.New("/proc/PID/stat has too few fields"))
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, Failed("read the CPU time of a process", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// Usage is the memory of a process, bytes.
type Usage struct {
	Anonymous int64 // resident and its own: heap and stacks. What of files is in memory is the system's to drop
	Resident  int64 // all of it
	Peak      int64 // highest Resident so far
}

// Memory is what the process holds now.
func Memory(pid int) (Usage, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, Failed("read the memory of a process", err)
	}
	return ParseStatus(bytes.NewReader(data))
}

// ParseStatus reads RssAnon, VmRSS and VmHWM out of /proc/PID/status.
func ParseStatus(r io.Reader) (Usage, error) {
	var u Usage
	want := map[string]*int64{"RssAnon": &u.Anonymous, "VmRSS": &u.Resident, "VmHWM": &u.Peak}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		into, ok := want[name]
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return Usage{}, Failed("read the memory of a process", err)
		}
		*into = kib << 10
		delete(want, name)
	}
	if len(want) > 0 {
		return Usage{}, Failed("read the memory of a process", errors.New("/proc/PID/status has no RssAnon, VmRSS or VmHWM"))
	}
	return u, nil
}
