# Traefik in front of the apps: it asks Consul's catalogue which instances are healthy and what their tags route.
#
#   nomad job run jobspecs/traefik.nomad.hcl
#   nomad job run -var driver=exec -var http_port=8000 jobspecs/traefik.nomad.hcl

variable "namespace" {
  description = "Nomad namespace of the job."
  type        = string
  default     = "default"
}

variable "datacenters" {
  description = "Datacenters to run in."
  type        = list(string)
  default     = ["*"]
}

variable "instances" {
  description = "How many to run, one to a node: the port is the same on each."
  type        = number
  default     = 1
}

variable "driver" {
  description = "Nomad task driver: docker or podman run the image, exec and others run the command."
  type        = string
  default     = "docker"
}

variable "image" {
  description = "Container image, for docker and podman."
  type        = string
  default     = "docker.io/library/traefik:v3.6"
}

variable "command" {
  description = "Traefik's program on the node, for any other driver."
  type        = string
  default     = "traefik"
}

variable "http_port" {
  description = "Port of the entry point `web`."
  type        = number
  default     = 80
}

variable "consul_address" {
  description = "Consul agent, as HOST:PORT."
  type        = string
  default     = "127.0.0.1:8500"
}

variable "dashboard" {
  description = "Serve Traefik's dashboard, without a password, on the port `admin`."
  type        = bool
  default     = false
}

variable "args" {
  description = "More of Traefik's options, such as those of an entry point with TLS."
  type        = list(string)
  default     = []
}

variable "cpu" {
  description = "CPU share in MHz."
  type        = number
  default     = 200
}

variable "memory" {
  description = "Memory in MB."
  type        = number
  default     = 256
}

locals {
  container = contains(["docker", "podman"], var.driver)

  args = concat([
    "--entrypoints.web.address=:${var.http_port}",
    "--entrypoints.traefik.address=:${NOMAD_PORT_admin}",
    "--ping=true",
    "--api=${var.dashboard}",
    "--api.dashboard=${var.dashboard}",
    "--api.insecure=${var.dashboard}",
    "--providers.consulcatalog.endpoint.address=${var.consul_address}",
    "--providers.consulcatalog.exposedbydefault=false",
    # Every promise of a deploy without a lost request counts on this: the apps' jobs wait five seconds for it.
    "--providers.consulcatalog.refreshinterval=1s",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
  ], var.args)
}

job "traefik" {
  type        = "service"
  namespace   = var.namespace
  datacenters = var.datacenters

  group "traefik" {
    count = var.instances

    constraint {
      distinct_hosts = true
    }

    network {
      mode = "host"

      port "web" {
        static = var.http_port
      }

      port "admin" {}
    }

    service {
      name     = "traefik"
      provider = "consul"
      port     = "web"

      check {
        type     = "http"
        port     = "admin"
        path     = "/ping"
        interval = "5s"
        timeout  = "2s"
      }
    }

    dynamic "task" {
      for_each = local.container ? ["traefik"] : []
      labels   = [task.value]

      content {
        driver = var.driver

        config {
          image        = var.image
          network_mode = "host"
          args         = local.args
        }

        resources {
          cpu    = var.cpu
          memory = var.memory
        }
      }
    }

    dynamic "task" {
      for_each = local.container ? [] : ["traefik"]
      labels   = [task.value]

      content {
        driver = var.driver

        config {
          command = var.command
          args    = local.args
        }

        resources {
          cpu    = var.cpu
          memory = var.memory
        }
      }
    }
  }
}
