package localembed_test

import (
	"context"
	"fmt"

	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
)

func Example() {
	e := embed.New(localembed.New(), embed.Options{})
	vs, err := e.Embed(context.Background(), []string{
		"I was charged twice", "a double charge", "where is my parcel",
	}, driver.Query)
	if err != nil {
		fmt.Println(err)
		return
	}
	tier := e.Tiers()[0]
	fmt.Println(tier.Name, tier.Dim)
	near, far := embed.Dot(vs[0][0].Values, vs[1][0].Values), embed.Dot(vs[0][0].Values, vs[2][0].Values)
	fmt.Println("nearer:", near > far)
	// Output:
	// hashed 256
	// nearer: true
}
