# What changes about the job is worked out without a provider, so that it can be tested without a cluster.
module "job" {
  source = "./job"

  jobspec    = var.jobspec
  hostname   = var.hostname
  instances  = var.instances
  vault_path = var.vault_path
}

resource "nomad_job" "app" {
  jobspec = module.job.jobspec
  json    = true

  # Terraform's apply ends when the new version serves, or fails with the deployment.
  detach = false
}
