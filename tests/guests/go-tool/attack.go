package main

import (
	"fmt"
	"os"
)

// attack tries every way out of a directory, and prints each that it finds.
func attack(dir string) {
	secrets := []string{
		dir + "/../private/vault_token", "/private/vault_token", "private/vault_token", "../private/vault_token",
		dir + "/./../private/./vault_token", dir + "//..//private/vault_token", dir + "/sub/../../private/vault_token",
		"/etc/passwd", dir + "/../../../../../../../../etc/passwd", "/proc/self/environ", dir + "/../proc/self/environ",
		"/proc/self/fd/0", "/proc/self/root/etc/passwd", "/dev/stdin", "/alloc/data/other", "/secrets/api.key",
		// Planted by a sibling before the task began.
		dir + "/link", dir + "/linked/passwd", dir + "/rootlink/etc/passwd", dir + "/proclink/self/environ", dir + "/chain",
		dir + "/socket",
	}
	tell := func(way, name string, err error) {
		if err == nil {
			fmt.Println("found a way:", way, name)
		}
	}
	for _, name := range secrets {
		data, err := os.ReadFile(name)
		if len(data) == 0 && err == nil {
			err = os.ErrNotExist
		}
		tell("read", name, err)
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err == nil {
			file.Close()
		}
		tell("write", name, err)
		_, err = os.Stat(name)
		if name != dir+"/socket" {
			tell("stat", name, err)
		}
		// What lies in the directory is the guest's to link, move and remove; where it leads is not.
		if name != dir+"/link" && name != dir+"/chain" && name != dir+"/socket" {
			tell("hard link", name, os.Link(name, dir+"/mine"))
			tell("rename", name, os.Rename(name, dir+"/stolen"))
			tell("remove", name, os.Remove(name))
		}
	}
	for number, target := range []string{"/etc/passwd", "../private/vault_token", "/proc/self/environ", "sub/../../private/vault_token"} {
		link := fmt.Sprintf("%s/planted%d", dir, number)
		os.Symlink(target, link)
		_, err := os.ReadFile(link)
		tell("own link", target, err)
	}
	for _, name := range []string{dir + "/..", dir + "/../private", "/", "/proc", dir + "/linked", dir + "/rootlink", dir + "/proclink/self"} {
		_, err := os.ReadDir(name)
		tell("list", name, err)
		tell("make", name, os.Mkdir(name+"/made", 0o755))
		tell("time", name, os.Chdir(name))
	}
	fmt.Println("done")
}
