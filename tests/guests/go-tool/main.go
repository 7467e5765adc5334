// A command: does what its first argument says.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	switch os.Args[1] {
	case "args":
		fmt.Printf("%q\n", os.Args[1:])
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "attack":
		attack(os.Args[2])
	case "hold": // open files until there are no more, tell how many, keep them
		var held []*os.File
		for len(held) < 1_000_000 {
			file, err := os.Open(os.Args[2])
			if err != nil {
				break
			}
			held = append(held, file)
		}
		fmt.Println("held", len(held))
		for {
			time.Sleep(time.Second)
		}
	case "environ":
		for _, each := range os.Environ() {
			fmt.Println(each)
		}
	case "wait": // until there is the file, then end with the code
		for {
			if _, err := os.Stat(os.Args[2]); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		code, _ := strconv.Atoi(os.Args[3])
		os.Exit(code)
	case "env":
		fmt.Println(os.Getenv(os.Args[2]))
	case "read":
		data, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Stdout.Write(data)
	case "write":
		if err := os.WriteFile(os.Args[2], []byte("written"), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "both":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
	}
}
