package dbserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Superuser is the role that initdb makes. Its password is random, one per
// server; SuperDSN holds it.
const Superuser = "postgres"

const (
	startLimit   = 60 * time.Second
	stopLimit    = 30 * time.Second
	portAttempts = 10
)

var (
	errStartLimit = fmt.Errorf("not ready after %v", startLimit)
	errStopLimit  = fmt.Errorf("still there after %v", stopLimit)
	errPortTaken  = errors.New("port is taken")
)

// Postgres is one server. Its methods may be called at the same time; those that
// start and stop it wait for one another.
type Postgres struct {
	install  Install
	home     home
	port     int
	password string
	tls      bool
	hba      []string // who may connect, while logins are not refused

	mu      sync.Mutex
	process *process
}

// Start makes a data directory and starts a server on it. It returns when the
// server accepts connections, at the latest after a minute. A server that ends
// before is an error that holds the end of its log, which names the reason.
func Start(ctx context.Context, options Options) (*Postgres, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errStartLimit)
	defer cancel()
	if err := options.validate(); err != nil {
		return nil, err
	}
	if options.Install == (Install{}) {
		found, err := Find()
		if err != nil {
			return nil, err
		}
		options.Install = found[0]
	}
	p, err := create(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := p.firstStart(ctx, options.Port); err != nil {
		return nil, errors.Join(err, p.home.remove())
	}
	return p, nil
}

// create makes the directory of a server that does not run yet.
func create(ctx context.Context, options Options) (*Postgres, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := owner.admit(options.Install.postgres()); err != nil {
		return nil, fmt.Errorf("use the installation %s: %w", options.Install.Bin, err)
	}
	source, err := template(ctx, options.Install, owner)
	if err != nil {
		return nil, err
	}
	h, err := newHome(options.Dir, owner)
	if err != nil {
		return nil, err
	}
	p := &Postgres{install: options.Install, home: h, password: rand.Text(), tls: options.TLS, hba: options.hba()}
	if err := p.fill(ctx, source, options); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return p, nil
}

// fill makes the server's files: the cluster, the configuration, the password.
func (p *Postgres) fill(ctx context.Context, source string, options Options) error {
	if err := copyCluster(p.home.data(), source); err != nil {
		return err
	}
	if err := p.home.owner.ownTree(p.home.data()); err != nil {
		return err
	}
	if err := options.write(p.home); err != nil {
		return err
	}
	return p.setPassword(ctx)
}

// setPassword gives the superuser its password in single-user mode, where nobody
// else can connect, before the server ever listens.
func (p *Postgres) setPassword(ctx context.Context) error {
	cmd := command(ctx, p.install, p.home.owner, "postgres", "--single", "-F", "-D", p.home.data(), "postgres")
	cmd.Stdin = strings.NewReader("ALTER ROLE " + Superuser + " PASSWORD '" + p.password + "'\n")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set the superuser's password: %w: %s", err, tail(string(output)))
	}
	return nil
}

// firstStart starts the server on port or, where that is 0, on a free one. A
// free port can be taken by somebody else before the server has it; then the
// next one is tried.
func (p *Postgres) firstStart(ctx context.Context, port int) error {
	if port != 0 {
		p.port = port
		return p.start(ctx)
	}
	var err error
	for range portAttempts {
		if p.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = p.start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}

// start runs the server on the data directory and waits until it is ready.
func (p *Postgres) start(ctx context.Context) error {
	log, err := os.OpenFile(p.home.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	cmd := command(context.WithoutCancel(ctx), p.install, p.home.owner, "postgres", p.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	if p.process, err = launch(cmd); err != nil {
		return err
	}
	if err := p.waitReady(ctx, begin); err != nil {
		return errors.Join(fmt.Errorf("start PostgreSQL %s: %w", p.install.Version.Text, err), p.process.kill())
	}
	return nil
}

func (p *Postgres) arguments() []string {
	return []string{
		"-D", p.home.data(), "-p", strconv.Itoa(p.port),
		"-c", "config_file=" + p.home.config(),
		"-c", "hba_file=" + p.home.hba(),
		"-c", "listen_addresses=127.0.0.1",
		"-c", `unix_socket_directories="` + strings.ReplaceAll(p.home.socket, `"`, `""`) + `"`,
	}
}

// Stop ends the server the fast way and removes its directory. When ctx ends
// before the server does, or after half a minute, the server is killed; the
// error says so, and the directory is gone all the same. Stopping twice is no
// error.
func (p *Postgres) Stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, stopLimit, errStopLimit)
	defer cancel()
	return errors.Join(p.process.shutdown(ctx), p.home.remove())
}

// Kill ends every process of the server at once, as a crash does, and returns
// when they are gone. The data directory stays for Restart or Stop.
func (p *Postgres) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process.ended() {
		return nil
	}
	return p.process.kill()
}

// Restart starts the server again with its data, port and password, after Kill
// or after ending it the fast way. It returns when the server is ready.
func (p *Postgres) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errStartLimit)
	defer cancel()
	if err := p.process.shutdown(ctx); err != nil {
		return err
	}
	return p.start(ctx)
}

// Pause stops every process of the server where it is: connections stay open and
// nothing answers, as with a hung machine. A process that is itself killed while
// its server is paused leaves the server behind.
func (p *Postgres) Pause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.pause()
}

// Continue lets a paused server go on.
func (p *Postgres) Continue() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.resume()
}
