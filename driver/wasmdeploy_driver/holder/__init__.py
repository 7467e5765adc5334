"""The holder: two small processes that hold the listeners of parked tasks, and fork an executor when somebody asks."""
