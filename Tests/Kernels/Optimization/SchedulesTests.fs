module CnnCluster.Tests.Kernels.Optimization.SchedulesTests

open System
open Expecto
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

let private initial, stepsPerEpoch, total = 0.4, 7L, 40L

/// Numbers, and lists of them, by name.
type private Given = (string * float list) list

type private Entry =
    {
        Settings: Given list
        /// From the settings, the length of the run, the step in it and the epochs that are over to the rate.
        Formula: Given -> float -> float -> float -> float
    }

let private one name (given: Given) =
    given |> List.find (fst >> (=) name) |> snd |> List.exactlyOne

let private oneCycle (s: Given) total t =
    let first = initial / one "div-factor" s
    let last = first / one "final-div-factor" s
    let peak, ending = one "pct-start" s * total - 1.0, total - 1.0

    let between a b share =
        let share = share |> min 1.0

        if one "linear" s = 1.0 then
            a + (b - a) * share
        else
            b + (a - b) * cos (Math.PI * share / 2.0) ** 2.0

    if t <= peak then
        between first initial (t / peak)
    else
        between initial last ((t - peak) / (ending - peak))

/// A schedule that is added to the catalogue brings its formula here, without the warm-up.
let private byName =
    Map
        [ "constant",
          { Settings = [ [] ]
            Formula = fun _ _ _ _ -> initial }
          "inverse-time",
          { Settings = [ [ "decay", [ 0.5 ]; "steps", [ 1.0 ] ]; [ "decay", [ 0.5 ]; "steps", [ 10.0 ] ] ]
            Formula = fun s _ t _ -> initial / (1.0 + one "decay" s * t / one "steps" s) }
          "exponential",
          { Settings = [ [ "rate", [ 0.9 ]; "steps", [ 5.0 ] ] ]
            Formula = fun s _ t _ -> initial * exp (log (one "rate" s) * t / one "steps" s) }
          "step",
          { Settings = [ [ "epochs", [ 1.0 ]; "factor", [ 0.1 ] ]; [ "epochs", [ 2.0 ]; "factor", [ 0.5 ] ] ]
            Formula = fun s _ _ e -> initial * one "factor" s ** floor (e / one "epochs" s) }
          "multi-step",
          { Settings = [ [ "epochs", [ 2.0; 3.0; 5.0 ]; "factor", [ 0.1 ] ] ]
            Formula =
              fun s _ _ e ->
                  List.find (fst >> (=) "epochs") s
                  |> snd
                  |> List.fold (fun rate drop -> if e >= drop then rate * one "factor" s else rate) initial }
          "polynomial",
          { Settings = [ [ "end", [ 0.01 ]; "power", [ 1.0 ] ]; [ "end", [ 0.0 ]; "power", [ 2.0 ] ] ]
            Formula =
              fun s total t _ ->
                  let left = 1.0 - min t total / total
                  (initial - one "end" s) * left ** one "power" s + one "end" s }
          "cosine",
          { Settings = [ [ "alpha", [ 0.0 ] ]; [ "alpha", [ 0.1 ] ] ]
            Formula =
              fun s total t _ ->
                  let share = min 1.0 (t / total)
                  let alpha = one "alpha" s
                  initial * (alpha + (1.0 - alpha) * cos (Math.PI * share / 2.0) ** 2.0) }
          "one-cycle",
          { Settings =
              [ for linear in [ 0.0; 1.0 ] ->
                    [ "pct-start", [ 0.4 ]
                      "div-factor", [ 10.0 ]
                      "final-div-factor", [ 100.0 ]
                      "linear", [ linear ] ] ]
            Formula = fun s total t _ -> oneCycle s total t }
          "reduce-on-plateau",
          { Settings =
              [ [ "factor", [ 0.5 ]
                  "patience", [ 10.0 ]
                  "min-delta", [ 0.0 ]
                  "cooldown", [ 0.0 ]
                  "min-lr", [ 0.0 ] ] ]
            Formula = fun _ _ _ _ -> initial } ]

let private valuesOf (settings: Given) =
    let numbers, lists =
        settings |> List.partition (fun (_, values) -> values.Length = 1)

    SettingValues(
        Collections.Generic.Dictionary(dict [ for name, values in numbers -> name, values.Head ]),
        dict [ for name, values in lists -> name, (values :> Collections.Generic.IReadOnlyList<float>) ]
        |> Collections.Generic.Dictionary
    )

let private scheduleOf name settings =
    let definition =
        Schedules.All |> Seq.find (fun definition -> definition.Name = name)

    definition.Create.Invoke(valuesOf settings)

let private create name settings =
    let schedule = scheduleOf name settings
    fun step -> schedule.Invoke(initial, SchedulePoint(step, stepsPerEpoch, total))

let private close = { absolute = 1e-14; relative = 1e-12 }

[<Tests>]
let tests =
    testList
        "Kernels.Schedules"
        [ for definition in Schedules.All do
              match Map.tryFind definition.Name byName with
              | Some entry ->
                  for settings in entry.Settings do
                      test $"{definition.Name} %A{settings} follows its formula, and stays where it ends" {
                          let rateAt = create definition.Name (settings @ [ "warmup", [ 0.0 ] ])

                          for step in 0L .. total + 5L do
                              let e = float (step / stepsPerEpoch)
                              let expected = entry.Formula settings (float total) (float step) e
                              Expect.floatClose close (rateAt step) expected $"step {step}"
                      }

                      test $"{definition.Name} %A{settings} leaves the garbage collector nothing" {
                          let schedule = scheduleOf definition.Name (settings @ [ "warmup", [ 6.0 ] ])

                          let sum () =
                              let mutable sum = 0.0
                              let mutable step = 0L

                              while step <= total do
                                  sum <- sum + schedule.Invoke(initial, SchedulePoint(step, stepsPerEpoch, total))
                                  step <- step + 1L

                              sum

                          let first = sum ()
                          let before = GC.GetAllocatedBytesForCurrentThread()
                          let second = sum ()
                          Expect.equal (GC.GetAllocatedBytesForCurrentThread() - before) 0L "bytes"
                          Expect.equal second first "the same rates"
                      }

                      test $"{definition.Name} %A{settings} begins behind its warm-up" {
                          let warmup = 6L
                          let rateAt = create definition.Name (settings @ [ "warmup", [ float warmup ] ])
                          let left = float (total - warmup)

                          for step in 0L .. total + 5L do
                              let expected =
                                  if step < warmup then
                                      entry.Formula settings left 0.0 0.0 * float (step + 1L) / float warmup
                                  else
                                      let e = float (step / stepsPerEpoch)
                                      entry.Formula settings left (float (step - warmup)) e

                              Expect.floatClose close (rateAt step) expected $"step {step}"
                      }
              | None ->
                  test $"{definition.Name} has a formula to be checked against" {
                      failtest $"add {definition.Name} to this file's table"
                  }
          test "the settings of the table are those of the catalogue" {
              for definition in Schedules.All do
                  for settings in byName[definition.Name].Settings do
                      Expect.equal
                          (List.map fst settings @ [ "warmup" ])
                          [ for setting in definition.Settings -> setting.Name ]
                          definition.Name
          }
          test "a warm-up as long as the run does not divide by zero" {
              for definition in Schedules.All do
                  let settings = byName[definition.Name].Settings.Head @ [ "warmup", [ float total ] ]
                  let rateAt = create definition.Name settings
                  Expect.isTrue (Double.IsFinite(rateAt (total - 1L))) definition.Name
                  Expect.isTrue (Double.IsFinite(rateAt total)) definition.Name
          }
          test "a run of one step has a rate, by any schedule" {
              for definition in Schedules.All do
                  let settings = byName[definition.Name].Settings.Head @ [ "warmup", [ 0.0 ] ]

                  let rate =
                      (scheduleOf definition.Name settings).Invoke(initial, SchedulePoint(0L, 1L, 1L))

                  Expect.isTrue (Double.IsFinite rate) definition.Name
          }
          test "reductions multiply the rate down to the least, and leave a lower one alone" {
              let schedule least =
                  scheduleOf
                      "reduce-on-plateau"
                      [ "factor", [ 0.5 ]
                        "patience", [ 1.0 ]
                        "min-delta", [ 0.0 ]
                        "cooldown", [ 0.0 ]
                        "min-lr", [ least ]
                        "warmup", [ 0.0 ] ]

              let rates least =
                  [ for reductions in 0..4 ->
                        (schedule least).Invoke(initial, SchedulePoint(9L, stepsPerEpoch, total, reductions)) ]

              Expect.equal (rates 0.06) [ 0.4; 0.2; 0.1; 0.06; 0.06 ] "max(lr·factor^r, min-lr)"
              Expect.equal (rates 0.5) [ 0.4; 0.4; 0.4; 0.4; 0.4 ] "never raised"
          }
          test "reductions count during a warm-up too" {
              let schedule =
                  scheduleOf
                      "reduce-on-plateau"
                      [ "factor", [ 0.5 ]
                        "patience", [ 1.0 ]
                        "min-delta", [ 0.0 ]
                        "cooldown", [ 0.0 ]
                        "min-lr", [ 0.0 ]
                        "warmup", [ 4.0 ] ]

              let rate step =
                  schedule.Invoke(initial, SchedulePoint(step, stepsPerEpoch, total, 1))

              Expect.equal
                  [ for step in 0L .. 4L -> rate step ]
                  [ 0.05; 0.1; 0.15000000000000002; 0.2; 0.2 ]
                  "half of lr·(t+1)/4"
          } ]
