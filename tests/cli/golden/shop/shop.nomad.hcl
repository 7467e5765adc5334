job "shop" {
  type        = "service"
  region      = "eu"
  namespace   = "retail"
  datacenters = ["ams", "fra"]

  ui {
    description = "Sells things"

    link {
      label = "Open the app"
      url   = "https://shop.example.com/"
    }

    link {
      label = "Documentation"
      url   = "https://docs.example.com/shop"
    }

    link {
      label = "Dashboard"
      url   = "https://grafana.example.com/d/shop?var=eu"
    }
  }

  meta {
    app_version        = "2.4.1"
    digest             = "sha256:98f089c4b1f02c316e2f75018e549e730ac1d409c47992685c668f8c475310a6"
    revision           = "1"
    wasmdeploy_version = "0.1.0"
  }

  # The whole new version runs beside the old one until its checks have passed.
  update {
    canary            = 3
    max_parallel      = 3
    auto_promote      = true
    auto_revert       = true
    health_check      = "checks"
    min_healthy_time  = "5s" # Traefik must have seen the new version before the old one goes
    healthy_deadline  = "3m"
    progress_deadline = "0s" # none: the first instance that fails for good ends the deployment
  }

  group "shop" {
    count          = 3
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

    volume "uploads" {
      type      = "host"
      source    = "uploads"
      read_only = false
    }

    volume "catalogue" {
      type      = "host"
      source    = "shop.catalogue"
      read_only = true
    }

    # Canaries carry the same tags, so that old and new overlap in Traefik.
    service {
      name     = "retail-shop"
      provider = "consul"
      port     = "http"

      tags = [
        "traefik.enable=true",
        "traefik.http.routers.retail-shop-856224bb.rule=Host(`shop.example.com`)",
        "traefik.http.routers.retail-shop-856224bb.entrypoints=websecure",
        "traefik.http.routers.retail-shop-856224bb.middlewares=limit@file,zip@file",
        "traefik.http.routers.retail-shop-856224bb.tls=true",
        "traefik.http.routers.retail-shop-856224bb.tls.certresolver=letsencrypt",
        "traefik.http.routers.retail-shop-856224bb.service=retail-shop-856224bb",
        "traefik.http.routers.retail-shop-856224bb-redirect.rule=Host(`shop.example.com`)",
        "traefik.http.routers.retail-shop-856224bb-redirect.entrypoints=web",
        "traefik.http.routers.retail-shop-856224bb-redirect.middlewares=retail-shop-856224bb-redirect",
        "traefik.http.routers.retail-shop-856224bb-redirect.service=retail-shop-856224bb",
        "traefik.http.middlewares.retail-shop-856224bb-redirect.redirectscheme.scheme=https",
        "traefik.http.middlewares.retail-shop-856224bb-redirect.redirectscheme.permanent=true",
        "traefik.http.services.retail-shop-856224bb.loadbalancer.passhostheader=true",
      ]

      check {
        type     = "http"
        path     = "/api/orders/health"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "shop" {
      driver       = "wasm"
      kill_timeout = "30s"

      artifact {
        source      = "https://artifacts.example.com/wasm/bfa062de040f55a15ce910800757061ec3d2fc31d6b7c72d9fa02b75a9ad1133.wasm"
        destination = "local/pages.wasm"
        mode        = "file"

        options {
          checksum = "sha256:bfa062de040f55a15ce910800757061ec3d2fc31d6b7c72d9fa02b75a9ad1133"
        }
      }

      artifact {
        source      = "https://artifacts.example.com/wasm/1c168adb00d208e42f93314529f1fa9c0427eb63233ceda95a5db52b7012a719.wasm"
        destination = "local/orders.wasm"
        mode        = "file"

        options {
          checksum = "sha256:1c168adb00d208e42f93314529f1fa9c0427eb63233ceda95a5db52b7012a719"
        }
      }

      volume_mount {
        volume      = "uploads"
        destination = "/srv/uploads"
        read_only   = false
      }

      volume_mount {
        volume      = "catalogue"
        destination = "/srv/catalogue"
        read_only   = true
      }

      # The executor alone uses the token; the guest gets values, never the token.
      vault {
        change_mode  = "noop"
        env          = false
        disable_file = true
        role         = "shop"
      }

      config {
        app       = "shop"
        namespace = "retail"

        http {}

        component "pages" {
          source = "local/pages.wasm"
          digest = "sha256:bfa062de040f55a15ce910800757061ec3d2fc31d6b7c72d9fa02b75a9ad1133"
          route  = ["/..."]

          environment = {
            "SHOP_NAME" = "{{ shop_name }}"
            "LOG_LEVEL" = "info"
          }
        }

        component "orders" {
          source = "local/orders.wasm"
          digest = "sha256:1c168adb00d208e42f93314529f1fa9c0427eb63233ceda95a5db52b7012a719"
          route  = ["/api/orders", "/api/orders/..."]

          variables = {
            "api_key"  = "{{ api_key }}"
            "mail"     = "smtp://shop:{{ mail_password }}@mail.example.com"
            "currency" = "{{ currency }}"
          }

          allowed_outbound_hosts = [
            "https://payments.example.com",
            "https://*.shipping.example.com:8443",
            "http://warehouse.internal.example.com:8000..8010",
          ]
        }

        variable "currency" {
          value = "EUR"
        }

        variable "shop_name" {
          value = "The Shop"
        }

        variable "api_key" {
          secret = true
          vault  = "kv/retail/shop#api_key"
        }

        variable "mail_password" {
          secret = true
          vault  = "kv/mail/smtp#password"
        }

        limits {
          timeout = "10s"
        }
      }

      resources {
        cpu    = 500
        memory = 512
      }
    }
  }
}
