package api_test

import (
	"fmt"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/api"
)

// A server needs a bus and an authenticator and says so, all faults at once.
func Example() {
	_, err := api.NewServer(api.Options{})
	fmt.Println(semabus.CodeOf(err))
	fmt.Println(err)
	// Output:
	// INVALID_ARGUMENT
	// INVALID_ARGUMENT REQUIRED: Bus; give the bus
	// INVALID_ARGUMENT REQUIRED: Auth; give the authenticator
}
