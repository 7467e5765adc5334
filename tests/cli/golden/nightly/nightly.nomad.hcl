job "nightly" {
  type        = "sysbatch"
  region      = "global"
  namespace   = "default"
  datacenters = ["*"]

  ui {
    description = "nightly, a WebAssembly app"
  }

  meta {
    digest             = "sha256:b9f12e72bf383197e3c6b552a63afeb9d55e120a18e5a535dc4aa78243a3da0f"
    revision           = "1"
    wasmdeploy_version = "0.1.0"
  }

  periodic {
    crons            = ["0 2 * * *", "@weekly"]
    time_zone        = "Europe/Berlin"
    prohibit_overlap = true
    enabled          = true
  }

  group "nightly" {
    count = 1

    restart {
      attempts = 3
      interval = "24h"
      delay    = "5s"
      mode     = "fail"
    }

    task "nightly" {
      driver       = "wasm"
      kill_timeout = "30s"

      config {
        app    = "nightly"
        module = "/srv/wasm/118a1de593252b71f178cef60ae8b6af7c484a51bead92a6671a2630b548e68e.wasm"
        digest = "sha256:118a1de593252b71f178cef60ae8b6af7c484a51bead92a6671a2630b548e68e"

        variables = {
          "keep" = "7"
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
