package helpdesk_test

import (
	"fmt"

	"github.com/semabus/semabus/examples/helpdesk"
)

func Example() {
	intents, err := helpdesk.Intents()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, in := range intents {
		fmt.Println(in.Name)
	}
	// Output:
	// refunds
	// cards
	// deliveries
	// accounts
	// cancellations
	// bugs
	// invoices
	// complaints
}
