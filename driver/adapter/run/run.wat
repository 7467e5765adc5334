;; The command around a wasi:http guest: takes the request from the adapter, hands it to the guest's
;; handler, then lets the adapter finish. It has no memory: everything passed is a handle or a result.
(component
  (import "wasi:http/types@0.2.12" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $incoming-request))
  (alias export $types "response-outparam" (type $response-outparam))

  (import "wasmdeploy:http/entry@0.1.0" (instance $entry
    (export "incoming-request" (type $request (eq $incoming-request)))
    (export "response-outparam" (type $outparam (eq $response-outparam)))
    (export "take-request" (func (result (own $request))))
    (export "take-outparam" (func (result (own $outparam))))
    (export "finish" (func (result (result))))))

  (import "wasi:http/incoming-handler@0.2.12" (instance $handler
    (export "incoming-request" (type $request (eq $incoming-request)))
    (export "response-outparam" (type $outparam (eq $response-outparam)))
    (export "handle" (func (param "request" (own $request)) (param "response-out" (own $outparam))))))

  (core func $take-request (canon lower (func $entry "take-request")))
  (core func $take-outparam (canon lower (func $entry "take-outparam")))
  (core func $finish (canon lower (func $entry "finish")))
  (core func $handle (canon lower (func $handler "handle")))

  (core module $main
    (import "" "take-request" (func $take-request (result i32)))
    (import "" "take-outparam" (func $take-outparam (result i32)))
    (import "" "finish" (func $finish (result i32)))
    (import "" "handle" (func $handle (param i32 i32)))
    (func (export "run") (result i32)
      (call $handle (call $take-request) (call $take-outparam))
      (call $finish)))

  (core instance $main (instantiate $main
    (with "" (instance
      (export "take-request" (func $take-request))
      (export "take-outparam" (func $take-outparam))
      (export "finish" (func $finish))
      (export "handle" (func $handle))))))

  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $command)))
