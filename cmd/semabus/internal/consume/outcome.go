package consume

import (
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// outcomes are the ends of a delivery by their names on the command line.
var outcomes = []struct {
	name    string
	outcome semabus.SettleOutcome
}{
	{"done", semabus.SettleDone},
	{"retry", semabus.SettleRetry},
	{"poison", semabus.SettlePoison},
	{"throttled", semabus.SettleThrottled},
	{"not-for-me", semabus.SettleNotForMe},
}

func outcomeNames() string {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

// outcome reads the value of a flag; underscores do as well.
func outcome(flag, text string) (semabus.SettleOutcome, error) {
	for _, o := range outcomes {
		if o.name == strings.ReplaceAll(text, "_", "-") {
			return o.outcome, nil
		}
	}
	return 0, fault.Usage(flag, text, "use one of "+outcomeNames())
}
