terraform {
  required_version = ">= 1.5"

  required_providers {
    nomad = {
      source  = "hashicorp/nomad"
      version = ">= 2.4, < 3.0"
    }
  }
}

# NOMAD_ADDR and NOMAD_TOKEN say where and who.
provider "nomad" {}

variable "hostname" {
  description = "Host name that Traefik routes to the app."
  type        = string
  default     = "hello.localhost"
}

# Made by: wasmdeploy render --format json > hello.nomad.json
module "hello" {
  source = "../../modules/app"

  jobspec   = file("${path.module}/hello.nomad.json")
  hostname  = var.hostname
  instances = 2
}

output "url" {
  description = "Where people reach the app."
  value       = module.hello.url
}
