// Answers HTTP through CGI: main runs once for each request, in a fresh WebAssembly instance.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
)

func main() {
	http.HandleFunc("/", greet)
	http.HandleFunc("POST /", echo)
	if err := cgi.Serve(nil); err != nil {
		log.Fatal(err)
	}
}

// greet greets whoever asks.
func greet(w http.ResponseWriter, r *http.Request) {
	greeting := cmp.Or(os.Getenv("GREETING"), "Hello")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s from %s\n", greeting, r.URL.Path)
}

// echo answers with the body that it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := io.Copy(w, r.Body); err != nil {
		log.Print(err)
	}
}
