package eval_test

import (
	"fmt"

	"github.com/semabus/semabus/cmd/semabus/internal/eval"
)

// Two messages for "refunds", one for nobody: what the router ranked and what subscribers received give the shares.
func Example() {
	outcomes := []eval.Outcome{
		{Gold: []string{"refunds"}, Ranked: []string{"refunds", "cards"}, Best: eval.Confidence{Probability: 0.9},
			Delivered: []eval.Receipt{{Label: "refunds"}}},
		{Gold: []string{"refunds"}, Ranked: []string{"cards", "refunds"}, Best: eval.Confidence{Probability: 0.6}},
		{Ranked: []string{"cards", "refunds"}, Best: eval.Confidence{Probability: 0.2}},
	}
	accuracy, _ := eval.Accuracy(outcomes)
	mrr, _ := eval.MRR(outcomes)
	d := eval.CountDeliveries(outcomes, 1)
	fmt.Printf("accuracy %.2f, MRR %.2f, %d of %d delivered\n", accuracy, mrr, d.Right, d.Pairs)
	// Output: accuracy 0.50, MRR 0.75, 1 of 2 delivered
}
