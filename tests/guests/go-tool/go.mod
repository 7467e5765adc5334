module wasmdeploy.dev/tests/guests/tool

go 1.24
