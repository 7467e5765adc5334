variable "jobspec" {
  description = "The job that `wasmdeploy render --format json` printed, e.g. file(\"hello.nomad.json\")."
  type        = string
}

variable "hostname" {
  description = "Host name that Traefik routes to the app; null keeps the rendered one."
  type        = string
  default     = null

  validation {
    condition     = var.hostname == null || can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$", var.hostname))
    error_message = "The hostname must be a DNS name."
  }
}

variable "instances" {
  description = "Number of instances; null keeps the rendered one."
  type        = number
  default     = null

  validation {
    condition     = var.instances == null || try(var.instances >= 1 && floor(var.instances) == var.instances, false)
    error_message = "There must be at least one instance."
  }
}

variable "vault_path" {
  description = "KV v2 path of the app's secrets, the mount first; null keeps the rendered one. A secret whose variable names its own path keeps that."
  type        = string
  default     = null
}
