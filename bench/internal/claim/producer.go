package claim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// ProducerArg is the first argument by which the program is started as a producer, which is killed: address, ledger and the
// number of the first order follow.
const ProducerArg = "produce-orders"

const (
	orderGroup    = "orders"
	producerGroup = "shop"
	checkAfter    = 300 * time.Millisecond // long after a producer that lives is done
)

// ledger is the producers' own store: an order is there, or it is refused for good, or neither.
type ledger struct{ db *sql.DB }

// openLedger opens the file, which several processes use at once. Every commit of it is synced.
func openLedger(ctx context.Context, path string) (*ledger, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_pragma=synchronous(full)&_pragma=journal_mode(wal)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "create table if not exists orders (tx text primary key, number text not null, paid integer not null)")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &ledger{db}, nil
}

// pay records an order with its transaction; it fails where the transaction was refused before.
func (l *ledger) pay(ctx context.Context, tx, number string) error {
	_, err := l.db.ExecContext(ctx, "insert into orders (tx, number, paid) values (?, ?, 1)", tx, number)
	return err
}

// ended says whether the transaction is in the ledger, and refuses it for good where it is not.
func (l *ledger) ended(ctx context.Context, tx string) (semabus.Resolution, error) {
	if _, err := l.db.ExecContext(ctx, "insert into orders (tx, number, paid) values (?, '', 0) on conflict do nothing", tx); err != nil {
		return semabus.ResolutionUnspecified, err
	}
	var paid bool
	if err := l.db.QueryRowContext(ctx, "select paid from orders where tx = ?", tx).Scan(&paid); err != nil {
		return semabus.ResolutionUnspecified, err
	}
	if paid {
		return semabus.ResolutionCommit, nil
	}
	return semabus.ResolutionRollback, nil
}

// paid are the numbers of all orders in the ledger.
func (l *ledger) paid(ctx context.Context) (map[string]bool, error) {
	rows, err := l.db.QueryContext(ctx, "select number from orders where paid = 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	out := map[string]bool{}
	for rows.Next() {
		var number string
		if err := rows.Scan(&number); err != nil {
			return nil, err
		}
		out[number] = true
	}
	return out, rows.Err()
}

// Produce is the producer: it takes orders, one after the other, until it is killed. Each is a row in the ledger and a message,
// or neither. It prints the number of each order as it begins.
func Produce(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("%s: want address, ledger and number", ProducerArg)
	}
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	l, err := openLedger(ctx, args[1])
	if err != nil {
		return err
	}
	defer l.db.Close() //nolint:errcheck // nothing is lost with it
	c, err := client.Dial(ctx, args[0], client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	for ; ctx.Err() == nil; number++ {
		name := strconv.Itoa(number)
		if _, err := fmt.Fprintln(out, name); err != nil {
			return err
		}
		tx, err := c.Prepare(ctx, producerGroup, &semabus.Message{To: orderGroup, Text: name}, checkAfter)
		if err != nil {
			return err
		}
		if err := l.pay(ctx, tx.ID, name); err != nil {
			continue // refused meanwhile: the answer to the check stands
		}
		if _, err := c.Resolve(ctx, tx.ID, semabus.ResolutionCommit); err != nil {
			return err
		}
	}
	return nil
}
