job "report" {
  type        = "batch"
  region      = "global"
  namespace   = "default"
  datacenters = ["*"]

  ui {
    description = "report, a WebAssembly app"
  }

  meta {
    app_version        = "0.1.0"
    digest             = "sha256:fc33bc825899aa987966399de45f16c69d636d80aa1547fe8ee3ba7c071ac04e"
    revision           = "1"
    wasmdeploy_version = "0.1.0"
  }

  parameterized {
    payload       = "required"
    meta_required = ["customer"]
    meta_optional = []
  }

  group "report" {
    count = 1

    restart {
      attempts = 1
      interval = "24h"
      delay    = "5s"
      mode     = "fail"
    }

    # A command that has failed is not run on another node: its retries were on this one.
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "report" {
      driver       = "wasm"
      kill_timeout = "30s"

      dispatch_payload {
        file = "payload"
      }

      # The executor alone uses the token; the guest gets values, never the token.
      vault {
        change_mode  = "noop"
        env          = false
        disable_file = true
      }

      config {
        app    = "report"
        module = "/srv/wasm/845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917.wasm"
        digest = "sha256:845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917"
        args   = ["--format", "{{ format }}"]
        stdin  = "local/payload"

        env = {
          "TOKEN" = "{{ token }}"
        }

        dir {
          host     = "local"
          guest    = "/local"
          readonly = true
        }

        variable "format" {
          value = "csv"
        }

        variable "token" {
          secret = true
        }

        limits {
          memory_mb = 192
        }
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }
  }
}
