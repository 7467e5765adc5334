output "jobspec" {
  description = "The changed job as JSON."
  value       = jsonencode({ Job = local.changed })
}

output "namespace" {
  description = "Nomad namespace of the job."
  value       = local.job.Namespace
}

output "url" {
  description = "Where people reach the app, null without a host name."
  value       = local.url
}
