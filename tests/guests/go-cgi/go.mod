module wasmdeploy.dev/tests/guests/cgi

go 1.24
