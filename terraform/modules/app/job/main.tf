# A rendered job with another host name, count or Vault path: what `wasmdeploy render` would print if the manifest said so.

terraform {
  required_version = ">= 1.5"
}

locals {
  job     = jsondecode(var.jobspec).Job
  group   = local.job.TaskGroups[0]
  service = local.group.Services[0]
  task    = local.group.Tasks[0]

  # The route. A router's name carries a hash of its settings: Traefik drops a router that two versions define differently.
  rendered_tags = try(local.service.Tags, [])
  entrypoints   = flatten([for tag in local.rendered_tags : regexall("^traefik\\.http\\.routers\\.[^.]+\\.(entrypoints=.*)$", tag)])
  middlewares   = flatten([for tag in local.rendered_tags : regexall("^traefik\\.http\\.routers\\.[^.]+[0-9a-f]\\.(middlewares=.*)$", tag)])
  paths         = try(regex("^traefik\\.http\\.routers\\.[^.]+[0-9a-f]\\.rule=Host\\(`[^`]+`\\)( && .*)$", join("", [for tag in local.rendered_tags : tag if strcontains(tag, ".rule=") && !strcontains(tag, "-redirect.")]))[0], "")
  settings      = var.hostname == null ? [] : concat(["rule=Host(`${var.hostname}`)${local.paths}"], local.entrypoints, local.middlewares)
  router        = "${local.job.Namespace}-${local.job.ID}-${substr(sha256(join("\n", local.settings)), 0, 8)}"
  tags = var.hostname == null ? local.rendered_tags : concat(
    ["traefik.enable=true"],
    [for setting in local.settings : "traefik.http.routers.${local.router}.${setting}"],
    [
      "traefik.http.routers.${local.router}.service=${local.router}",
      "traefik.http.services.${local.router}.loadbalancer.passhostheader=true",
    ],
  )

  scheme       = length(regexall("(?i)secure|https|tls", join(" ", local.entrypoints))) > 0 ? "https" : "http"
  open         = "Open the app"
  links        = coalesce(try(local.job.UI.Links, null), [])
  rendered_url = try([for link in local.links : link.URL if link.Label == local.open][0], null)
  url          = var.hostname == null ? local.rendered_url : "${local.scheme}://${var.hostname}/"

  variables = [
    for block in try(local.task.Config.variable, []) : {
      for name, bodies in block : name => [
        for body in bodies : merge(
          { for key, value in { vault = "${coalesce(var.vault_path, "-")}#${name}" } : key => value if var.vault_path != null && try(body.secret, false) },
          body,
        )
      ]
    }
  ]

  config = merge(local.task.Config, { for key, value in { variable = local.variables } : key => value if length(value) > 0 })

  services = [merge(local.service, { for key, value in { Tags = local.tags } : key => value if length(value) > 0 })]

  instances = coalesce(var.instances, local.group.Count)

  changed = merge(local.job, {
    UI = merge(local.job.UI, { for key, value in { Links = concat(
      [for url in [local.url] : { Label = local.open, URL = url } if url != null],
      [for link in local.links : link if link.Label != local.open],
    ) } : key => value if length(value) > 0 })
    Update = merge(local.job.Update, {
      Canary      = local.instances
      MaxParallel = local.instances
    })
    TaskGroups = [merge(local.group, {
      Count    = local.instances
      Services = local.services
      Tasks    = [merge(local.task, { Config = local.config })]
    })]
  })
}
