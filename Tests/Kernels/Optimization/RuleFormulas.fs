/// What each optimizer of the catalogue does to a parameter, in plain double arithmetic.
module CnnCluster.Tests.Kernels.Optimization.RuleFormulas

open CnnCluster.Kernels

/// A parameter's update: from the number of the step (from 1), the rate, the gradient, the parameter and its states
/// (in the rule's order) to the new parameter and states.
type Formula = SettingValues -> int -> float -> float[] -> float[] * float[] list -> float[] * float[] list

type Entry =
    {
        Formula: Formula
        /// Settings besides the defaults under which the rule is walked; the defaults always are.
        Variants: (string * float) list list
    }

/// The formula of a rule that treats each element by itself.
let private each formula : Formula =
    fun settings step rate gradients (parameters, states) ->
        let elements =
            [| for i in 0 .. parameters.Length - 1 ->
                   formula settings step rate gradients[i] (parameters[i], [ for state in states -> state[i] ]) |]

        Array.map fst elements,
        [ for place in 0 .. states.Length - 1 -> elements |> Array.map (fun (_, kept: float list) -> kept[place]) ]

let private sgd (settings: SettingValues) (_: int) rate gradient (parameter, states) =
    let momentum = settings["momentum"]

    match states with
    | [] -> parameter - rate * gradient, []
    | velocity :: _ ->
        let velocity = momentum * velocity - rate * gradient

        if settings.IsSet "nesterov" then
            parameter + momentum * velocity - rate * gradient, [ velocity ]
        else
            parameter + velocity, [ velocity ]

/// Figure 1 of the paper's diagonal form, from Keras' first value on.
let private adagrad (settings: SettingValues) (_: int) rate gradient (parameter, states: float list) =
    let sum = states[0] + gradient ** 2.0
    parameter - rate * gradient / sqrt (sum + settings["epsilon"]), [ sum ]

/// Algorithm 1 of the paper, its step taken by a rate.
let private adadelta (settings: SettingValues) (_: int) rate gradient (parameter, states: float list) =
    let rho = settings["rho"]
    let rms mean = sqrt (mean + settings["epsilon"])
    let squares = rho * states[0] + (1.0 - rho) * gradient ** 2.0
    let update = -(rms states[1] / rms squares) * gradient
    parameter + rate * update, [ squares; rho * states[1] + (1.0 - rho) * update ** 2.0 ]

let private rmsprop (settings: SettingValues) (_: int) rate gradient (parameter, states: float list) =
    let rho, momentum = settings["rho"], settings["momentum"]
    let kept old value = rho * old + (1.0 - rho) * value
    let squares = kept states[0] (gradient ** 2.0)

    let means = if settings.IsSet "centered" then [ kept states[1] gradient ] else []

    let variance = squares - List.sumBy (fun mean -> mean ** 2.0) means
    let move = rate * gradient / sqrt (variance + settings["epsilon"])

    if momentum = 0.0 then
        parameter - move, squares :: means
    else
        let velocity = momentum * List.last states + move
        parameter - velocity, squares :: means @ [ velocity ]

/// Means with their corrections for the zeros they start with: Algorithm 1 of Adam's paper.
let private moments (settings: SettingValues) (step: int) gradient mean variance =
    let beta1, beta2 = settings["beta_1"], settings["beta_2"]
    let mean = beta1 * mean + (1.0 - beta1) * gradient
    let variance = beta2 * variance + (1.0 - beta2) * gradient * gradient
    (mean, 1.0 - beta1 ** float step), (variance, 1.0 - beta2 ** float step)

/// With Keras' place of ε.
let private adam (settings: SettingValues) step rate gradient (parameter, states: float list) =
    let (mean, correction1), (variance, correction2) =
        moments settings step gradient states[0] states[1]

    let largest = if settings.IsSet "amsgrad" then [ max states[2] variance ] else []

    let root =
        (sqrt (List.tryHead largest |> Option.defaultValue variance)
         + settings["epsilon"])
        / sqrt correction2

    parameter - rate * (mean / correction1) / root, mean :: variance :: largest

let private nadam (settings: SettingValues) step rate gradient (parameter, states: float list) =
    let (mean, _), (variance, correction2) =
        moments settings step gradient states[0] states[1]

    let mu t =
        settings["beta_1"] * (1.0 - 0.5 * 0.96 ** float t)

    let product = Seq.fold (fun product t -> product * mu t) 1.0 (seq { 1..step })

    let ahead =
        mu (step + 1) * mean / (1.0 - product * mu (step + 1))
        + (1.0 - mu step) * gradient / (1.0 - product)

    parameter - rate * ahead / (sqrt (variance / correction2) + settings["epsilon"]), [ mean; variance ]

let private sign value =
    if value > 0.0 then 1.0
    elif value < 0.0 then -1.0
    else value

/// Algorithm 2 of the paper.
let private lion (settings: SettingValues) (_: int) rate gradient (parameter, states: float list) =
    let toward beta =
        beta * states[0] + (1.0 - beta) * gradient

    parameter - rate * sign (toward settings["beta_1"]), [ toward settings["beta_2"] ]

let private norm values =
    values |> Array.sumBy (fun value -> value * value) |> sqrt

let private lamb: Formula =
    fun settings step rate gradients (parameters, states) ->
        let moved = Array.map3 (moments settings step) gradients states[0] states[1]

        let updates =
            [| for (mean, correction1), (variance, correction2) in moved ->
                   mean / correction1 / (sqrt (variance / correction2) + settings["epsilon"]) |]

        let ratio =
            if norm parameters > 0.0 && norm updates > 0.0 then
                norm parameters / norm updates
            else
                1.0

        Array.map2 (fun p u -> p - rate * ratio * u) parameters updates,
        [ [| for (mean, _), _ in moved -> mean |]; [| for _, (variance, _) in moved -> variance |] ]

let private decays =
    [ [ "weight-decay", 0.1 ]; [ "weight-decay", 0.1; "coupled", 1.0 ] ]

/// An optimizer that is added to the catalogue brings its formula here.
let byName: Map<string, Entry> =
    Map
        [ "sgd",
          { Formula = each sgd
            Variants =
              [ [ "momentum", 0.9 ]
                [ "momentum", 0.9; "nesterov", 1.0 ]
                [ "weight-decay", 0.1 ]
                [ "momentum", 0.9; "weight-decay", 0.1; "coupled", 1.0 ] ] }
          "adagrad",
          { Formula = each adagrad
            Variants = [ [ "initial-accumulator-value", 0.0; "epsilon", 1e-3 ]; [ "weight-decay", 0.1 ] ] }
          "adadelta",
          { Formula = each adadelta
            Variants = [ [ "lr", 1.0; "rho", 0.8; "epsilon", 1e-3 ]; [ "lr", 0.5; "weight-decay", 0.1 ] ] }
          "rmsprop",
          { Formula = each rmsprop
            Variants =
              [ [ "momentum", 0.9 ]
                [ "centered", 1.0; "epsilon", 1e-3 ]
                [ "centered", 1.0; "momentum", 0.5; "rho", 0.8; "epsilon", 1e-2 ]
                [ "centered", 1.0; "momentum", 0.5; "weight-decay", 0.1; "epsilon", 1e-3 ] ] }
          "adam",
          { Formula = each adam
            Variants =
              [ [ "beta_1", 0.5; "beta_2", 0.9; "epsilon", 1e-3 ]; [ "amsgrad", 1.0; "beta_2", 0.9 ] ]
              @ decays }
          "adamw",
          { Formula = each adam
            Variants = [ [ "weight-decay", 0.5; "amsgrad", 1.0 ] ] }
          "nadam",
          { Formula = each nadam
            Variants = [ [ "beta_1", 0.5; "beta_2", 0.9; "epsilon", 1e-3 ] ] @ decays }
          "lion",
          { Formula = each lion
            Variants = [ [ "beta_1", 0.5; "beta_2", 0.7 ]; [ "weight-decay", 0.5 ] ] }
          "lamb",
          { Formula = lamb
            Variants = [ [ "beta_1", 0.5; "beta_2", 0.9; "epsilon", 1e-3 ] ] @ decays } ]

/// The weights' decay, in front of the rule or in the gradient, and then the rule.
let withDecay (formula: Formula) : Formula =
    fun settings step rate gradients (parameters, states) ->
        let decay = settings["weight-decay"]

        let coupled = settings.Values.ContainsKey "coupled" && settings.IsSet "coupled"

        if coupled then
            let gradients = Array.map2 (fun g p -> g + decay * p) gradients parameters
            formula settings step rate gradients (parameters, states)
        else
            let decayed = parameters |> Array.map (fun p -> p - rate * decay * p)
            formula settings step rate gradients (decayed, states)
