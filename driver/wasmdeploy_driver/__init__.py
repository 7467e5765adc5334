"""The wasm side of wasmdeploy: the Nomad task driver, the executor and the HTTP engine."""

__version__ = "0.1.0"
