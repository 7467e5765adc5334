;; wasi:clocks/monotonic-clock for a guest, over the host's: no timer ends after the time that the request has left, since
;; nothing from outside interrupts a guest that waits. It has no memory: everything passed is a number or a handle.
(component
  (import "wasi:io/poll@0.2.12" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (type $u64 u64)

  (import "wasi:clocks/monotonic-clock@0.2.12" (instance $clock
    (export "pollable" (type $p (eq $pollable)))
    (export "instant" (type $i (eq $u64)))
    (export "duration" (type $d (eq $u64)))
    (export "now" (func (result $i)))
    (export "resolution" (func (result $d)))
    (export "subscribe-duration" (func (param "when" $d) (result (own $p))))))
  (alias export $clock "instant" (type $instant))
  (alias export $clock "duration" (type $duration))
  (alias export $clock "now" (func $now))
  (alias export $clock "resolution" (func $resolution))

  (import "wasmdeploy:host/deadline@0.1.0" (instance $deadline (export "left" (func (result u64)))))

  (core func $now (canon lower (func $now)))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $left (canon lower (func $deadline "left")))

  (core module $main
    (import "" "now" (func $now (result i64)))
    (import "" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "" "left" (func $left (result i64)))
    ;; 0.1 s: a short timer does no harm, and asking costs more than the host's own functions.
    (global $short i64 (i64.const 100_000_000))
    (func $subscribe-duration (export "subscribe-duration") (param $wanted i64) (result i32)
      (local $left i64)
      (if (i64.gt_u (local.get $wanted) (global.get $short)) (then
        (local.set $left (call $left))
        (if (i64.gt_u (local.get $wanted) (local.get $left)) (then
          (local.set $wanted (local.get $left))))))
      (call $subscribe (local.get $wanted)))
    (func (export "subscribe-instant") (param $when i64) (result i32)
      (local $now i64)
      (local.set $now (call $now))
      (call $subscribe-duration (select
        (i64.sub (local.get $when) (local.get $now))
        (i64.const 0)
        (i64.gt_u (local.get $when) (local.get $now))))))

  (core instance $main (instantiate $main
    (with "" (instance
      (export "now" (func $now))
      (export "subscribe" (func $subscribe))
      (export "left" (func $left))))))

  (func $subscribe-instant (param "when" $instant) (result (own $pollable))
    (canon lift (core func $main "subscribe-instant")))
  (func $subscribe-duration (param "when" $duration) (result (own $pollable))
    (canon lift (core func $main "subscribe-duration")))
  (instance $limited
    (export "pollable" (type $pollable))
    (export "instant" (type $instant))
    (export "duration" (type $duration))
    (export "now" (func $now))
    (export "resolution" (func $resolution))
    (export "subscribe-instant" (func $subscribe-instant))
    (export "subscribe-duration" (func $subscribe-duration)))
  (export "wasi:clocks/monotonic-clock@0.2.12" (instance $limited)))
