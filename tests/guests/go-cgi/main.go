// A CGI guest: answers with what it was given, chosen by the path.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	path := os.Getenv("PATH_INFO")
	switch {
	case strings.HasPrefix(path, "/json"):
		fmt.Print("Content-Type: application/json\n\n")
		json.NewEncoder(os.Stdout).Encode(os.Environ())
	case strings.HasPrefix(path, "/env"):
		fmt.Print("Content-Type: text/plain\n\n")
		all := os.Environ()
		sort.Strings(all)
		fmt.Println(strings.Join(all, "\n"))
	case strings.HasPrefix(path, "/echo"):
		fmt.Print("Content-Type: application/octet-stream\n\n")
		io.Copy(os.Stdout, os.Stdin)
	case strings.HasPrefix(path, "/args"):
		fmt.Printf("Content-Type: text/plain\n\n%q\n", os.Args)
	case strings.HasPrefix(path, "/cookies"):
		fmt.Print("Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\ntwo\r\n")
	case strings.HasPrefix(path, "/file"):
		data, err := os.ReadFile("/data/file")
		written := os.WriteFile("/data/other", data, 0o644)
		fmt.Printf("Content-Type: text/plain\n\n%s %v %v\n", data, err, written != nil)
	case strings.HasPrefix(path, "/teapot"):
		fmt.Print("Status: 418 I'm a teapot\n\nshort and stout\n")
	case strings.HasPrefix(path, "/moved"):
		fmt.Print("Location: /elsewhere\n\n")
	case strings.HasPrefix(path, "/fail"):
		os.Exit(3)
	case strings.HasPrefix(path, "/say"): // the query, as a line of the log
		fmt.Fprintln(os.Stderr, os.Getenv("QUERY_STRING"))
		fmt.Print("Content-Type: text/plain\n\nsaid\n")
	case strings.HasPrefix(path, "/panic"):
		panic("as asked")
	case strings.HasPrefix(path, "/loop"):
		for {
		}
	case strings.HasPrefix(path, "/flood"):
		fmt.Print("Content-Type: text/plain\n\n")
		chunk := make([]byte, 1<<16)
		for {
			if _, err := os.Stdout.Write(chunk); err != nil {
				os.Exit(4)
			}
		}
	case strings.HasPrefix(path, "/wait"): // until the file /data/go is there
		os.WriteFile("/data/waiting", nil, 0o644)
		for {
			if _, err := os.Stat("/data/go"); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Print("Content-Type: text/plain\n\nwaited\n")
	case strings.HasPrefix(path, "/late"): // its environment, once the file /data/go is there
		os.WriteFile("/data/waiting", nil, 0o644)
		for {
			if _, err := os.Stat("/data/go"); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Print("Content-Type: text/plain\n\n", strings.Join(os.Environ(), "\n"), "\n")
	case strings.HasPrefix(path, "/split"):
		fmt.Print("Content-Type: text/plain\rSet-Cookie: stolen\n\n")
	case strings.HasPrefix(path, "/nap"):
		time.Sleep(time.Minute)
	case strings.HasPrefix(path, "/nothing"):
	default:
		fmt.Print("Content-Type: text/plain\n\nhello from Go\n")
	}
}
