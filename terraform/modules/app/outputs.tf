output "id" {
  description = "ID of the Nomad job."
  value       = nomad_job.app.id
}

output "namespace" {
  description = "Nomad namespace of the job."
  value       = module.job.namespace
}

output "url" {
  description = "Where people reach the app, null without a host name."
  value       = module.job.url
}
