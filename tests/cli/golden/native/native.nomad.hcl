job "native" {
  type        = "service"
  region      = "global"
  namespace   = "default"
  datacenters = ["*"]

  ui {
    description = "native, a WebAssembly app"

    link {
      label = "Open the app"
      url   = "http://native.example.com/"
    }
  }

  meta {
    digest             = "sha256:64e36ab5ab69e75b2f76c4716c54872f50090e25aa4d7830940414aade5b0eaf"
    revision           = "1"
    wasmdeploy_version = "0.1.0"
  }

  # The whole new version runs beside the old one until its checks have passed.
  update {
    canary            = 1
    max_parallel      = 1
    auto_promote      = false
    auto_revert       = true
    health_check      = "checks"
    min_healthy_time  = "5s" # Traefik must have seen the new version before the old one goes
    healthy_deadline  = "90s"
    progress_deadline = "0s" # none: the first instance that fails for good ends the deployment
  }

  group "native" {
    count = 3

    network {
      port "http" {}
    }

    restart {
      attempts = 3
      interval = "2m"
      delay    = "2s"
      mode     = "fail"
    }

    reschedule {
      delay          = "5s"
      delay_function = "exponential"
      max_delay      = "5m"
      unlimited      = true
    }

    task "native" {
      driver         = "wasm"
      kill_timeout   = "30s"
      shutdown_delay = "5s" # longer than Traefik takes to see that an instance left the catalogue

      # Canaries carry the same tags, so that old and new overlap in Traefik.
      service {
        name     = "native"
        provider = "nomad"
        port     = "http"

        tags = [
          "traefik.enable=true",
          "traefik.http.routers.default-native-af11ebf3.rule=Host(`native.example.com`)",
          "traefik.http.routers.default-native-af11ebf3.service=default-native-af11ebf3",
          "traefik.http.services.default-native-af11ebf3.loadbalancer.passhostheader=true",
        ]

        canary_tags = [
          "traefik.enable=true",
          "traefik.http.routers.default-native-af11ebf3.rule=Host(`native.example.com`)",
          "traefik.http.routers.default-native-af11ebf3.service=default-native-af11ebf3",
          "traefik.http.services.default-native-af11ebf3.loadbalancer.passhostheader=true",
          "traefik.nomad.canary=true",
          "traefik.http.routers.default-native-518992ac-canary.rule=Host(`canary.native.example.com`) || (Host(`native.example.com`) && Header(`X-Canary`, `true`))",
          "traefik.http.routers.default-native-518992ac-canary.service=default-native-518992ac-canary",
          "traefik.http.services.default-native-518992ac-canary.loadbalancer.passhostheader=true",
        ]

        check {
          type     = "http"
          path     = "/up"
          interval = "2s"
          timeout  = "2s"
        }
      }

      config {
        app          = "native"
        idle_timeout = "15m"
        health_path  = "/up"

        http {}

        component "native" {
          source = "/srv/wasm/bef32d2c315a289576f2a6828d27edb16bb316a4d85c271f2d794045f3ea668d.wasm"
          digest = "sha256:bef32d2c315a289576f2a6828d27edb16bb316a4d85c271f2d794045f3ea668d"
          route  = ["/..."]
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
