job "hello" {
  type        = "service"
  region      = "global"
  namespace   = "default"
  datacenters = ["*"]

  ui {
    description = "Says hello"

    link {
      label = "Open the app"
      url   = "http://hello.example.com/"
    }
  }

  meta {
    app_version        = "0.1.0"
    digest             = "sha256:eadc7793f014418c204b5f806f4c5c80cedec64c74fe10a7d4694fde561849f3"
    revision           = "1"
    wasmdeploy_version = "0.1.0"
  }

  # The whole new version runs beside the old one until its checks have passed.
  update {
    canary            = 1
    max_parallel      = 1
    auto_promote      = true
    auto_revert       = true
    health_check      = "checks"
    min_healthy_time  = "5s" # Traefik must have seen the new version before the old one goes
    healthy_deadline  = "3m"
    progress_deadline = "0s" # none: the first instance that fails for good ends the deployment
  }

  group "hello" {
    count          = 1
    shutdown_delay = "5s" # longer than Traefik takes to see that an instance left the catalogue

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

    # Canaries carry the same tags, so that old and new overlap in Traefik.
    service {
      name     = "hello"
      provider = "consul"
      port     = "http"

      tags = [
        "traefik.enable=true",
        "traefik.http.routers.default-hello-ab3d2af2.rule=Host(`hello.example.com`)",
        "traefik.http.routers.default-hello-ab3d2af2.service=default-hello-ab3d2af2",
        "traefik.http.services.default-hello-ab3d2af2.loadbalancer.passhostheader=true",
      ]

      check {
        type     = "http"
        path     = "/.well-known/wasmdeploy/health"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "hello" {
      driver       = "wasm"
      kill_timeout = "30s"

      config {
        app = "hello"

        http {}

        component "hello" {
          source = "/srv/wasm/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824.wasm"
          digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
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
