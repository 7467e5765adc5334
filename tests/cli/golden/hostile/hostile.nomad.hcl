job "hostile" {
  type        = "service"
  region      = "eu $${x} \"west\""
  namespace   = "Team-1"
  datacenters = ["dc \"1\"", "%%{for}"]

  ui {
    description = "Quotes \" and \\, a line\nbreak, $${NOMAD_TASK_NAME}, %%{if true}, 😀 and \u202e"

    link {
      label = "Open the app"
      url   = "http://hostile.example.com/"
    }
  }

  meta {
    digest             = "sha256:4c6a6f98c2698ccb08de428c57082b6059e9aa4d3a3dc7456b0cdeb0666b1f60"
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

  group "hostile" {
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
      name     = "Team-1-hostile"
      provider = "consul"
      port     = "http"

      tags = [
        "traefik.enable=true",
        "traefik.http.routers.Team-1-hostile-47b47efb.rule=Host(`hostile.example.com`)",
        "traefik.http.routers.Team-1-hostile-47b47efb.service=Team-1-hostile-47b47efb",
        "traefik.http.services.Team-1-hostile-47b47efb.loadbalancer.passhostheader=true",
      ]

      check {
        type     = "http"
        path     = "/.well-known/wasmdeploy/health"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "hostile" {
      driver       = "wasm"
      kill_timeout = "30s"

      config {
        app       = "hostile"
        namespace = "Team-1"

        http {}

        component "web" {
          source   = "/srv/wasm/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2.wasm"
          digest   = "sha256:4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2"
          route    = ["/..."]
          executor = "wagi"

          environment = {
            "QUOTES"                   = "\" ' ` \\ \\n"
            "LINES"                    = "one\ntwo\r\nthree\ttab\r"
            "CONTROL"                  = "\u0001 \u001b[31m \u007f \u0085 \u2028 \ufeff"
            "UNICODE"                  = "é ß 日本語 😀 \U000e0001"
            "MARK"                     = "$${\"\\ufeff\"}begins with a byte order mark"
            "INTERPOLATED"             = "a$$${b} $$${NOMAD_TASK_NAME} $$${env.HOME} %%%{if true}x%%%{endif}"
            "ESCAPED"                  = "$$$${x} %%%%{y} $$$$${z} $%%%{ %$$${ $ % { }"
            "RETURN"                   = "$${\"$\\r\"}$$$${after} $${\"%\\r\"}\n%%%{a}"
            "for"                      = "a keyword"
            "not an identifier $$${x}" = "{{ plain }} {{ Not }} {{}}"
          }

          variables = {
            "template" = "<{{plain}}>"
          }
        }

        variable "plain" {
          value = "a$$${b} $$$${c} %%%{if d} %%%%{e}"
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
