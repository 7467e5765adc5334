// A command: does what its first argument says.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
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
	case "dispatched": // what a dispatch gives: its payload twice, and its meta
		input, _ := io.ReadAll(os.Stdin)
		file, _ := os.ReadFile("/local/payload")
		fmt.Printf("%q %q %q\n", input, file, os.Getenv("NOMAD_META_CUSTOMER"))
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
	case "chatter": // so many lines, then one every 20 ms until there is the file
		count, _ := strconv.Atoi(os.Args[2])
		fmt.Fprintln(os.Stderr, "begins")
		for number := 0; number < count; number++ {
			fmt.Printf("line %06d %s\n", number, strings.Repeat("x", 87))
		}
		for number := 0; ; number++ {
			fmt.Printf("tick %d\n", number)
			if _, err := os.Stat(os.Args[3]); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println("ends")
	case "fill": // files in the directory until there is an error, told with what it has written
		chunk := make([]byte, 1<<20)
		written := 0
		for number := 0; ; number++ {
			file, err := os.Create(fmt.Sprintf("%s/fill-%d", os.Args[2], number))
			for err == nil {
				var count int
				count, err = file.Write(chunk)
				written += count
			}
			file.Close()
			fmt.Println("stopped after", written>>20, "MiB:", err)
			if number == 2 {
				return
			}
		}
	case "eat": // memory until there is none
		var eaten [][]byte
		for {
			part := make([]byte, 1<<20)
			for at := range part {
				part[at] = 1
			}
			eaten = append(eaten, part)
			if len(eaten)%64 == 0 {
				fmt.Println("ate", len(eaten), "MiB")
			}
		}
	case "both":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
	}
}
