"""An app's secrets in Vault, as its manifest names them."""

from wasmdeploy_cli.secrets.place import Place, of_app, of_name

__all__ = ["Place", "of_app", "of_name"]
