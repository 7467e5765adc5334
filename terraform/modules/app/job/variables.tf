variable "jobspec" {
  description = "The job as JSON, `{\"Job\": …}`."
  type        = string
}

variable "hostname" {
  description = "Host name of the route; null keeps it."
  type        = string
  default     = null
}

variable "instances" {
  description = "Number of instances; null keeps it."
  type        = number
  default     = null
}

variable "vault_path" {
  description = "KV v2 path of the app's secrets; null keeps it."
  type        = string
  default     = null
}
