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
    digest             = "sha256:ac3f5c76873628031f0a1f11d25c632f0c0150750149232bae4ff96c608fef85"
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

    volume "reports" {
      type      = "host"
      source    = "monthly-reports"
      read_only = false
    }

    task "report" {
      driver       = "wasm"
      kill_timeout = "30s"

      dispatch_payload {
        file = "payload"
      }

      volume_mount {
        volume      = "reports"
        destination = "/reports"
        read_only   = false
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
