// Hello is a web server that greets: alone in its image, as process 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const welcome = "Welcome, user! Curl me (locally with Port 8080) with your name as path :-D"

// greet answers / with the welcome and /NAME with a greeting.
func greet(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	name := strings.Trim(r.URL.Path, "/")
	if name == "" {
		fmt.Fprintln(w, welcome)
		return
	}
	fmt.Fprintf(w, "Hello, %s!\n", name)
}

func address() string {
	if port := os.Getenv("PORT"); port != "" {
		return ":" + port
	}
	return ":8080"
}

func main() {
	log.SetFlags(0)
	server := &http.Server{Addr: address(), Handler: http.HandlerFunc(greet), ReadHeaderTimeout: 5 * time.Second}

	// Process 1 has no default action for signals: without this SIGTERM would do nothing at all.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()

	log.Printf("listening on %s as process %d", server.Addr, os.Getpid())
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ctx.Done()
	log.Print("stopped")
}
