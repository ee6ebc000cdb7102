/// What each optimizer of the catalogue does to one element, in plain double arithmetic.
module CnnCluster.Tests.Kernels.Optimization.RuleFormulas

open CnnCluster.Kernels

/// One element's update: from the number of the step (from 1), the rate, the gradient, the parameter and its states
/// (in the rule's order) to the new parameter and states.
type Formula = SettingValues -> int -> float -> float -> float * float list -> float * float list

type Entry =
    {
        Formula: Formula
        /// Settings besides the defaults under which the rule is walked; the defaults always are.
        Variants: (string * float) list list
    }

let private sgd: Formula =
    fun settings _ rate gradient (parameter, states) ->
        let momentum = settings["momentum"]

        match states with
        | [] -> parameter - rate * gradient, []
        | velocity :: _ ->
            let velocity = momentum * velocity - rate * gradient

            if settings.IsSet "nesterov" then
                parameter + momentum * velocity - rate * gradient, [ velocity ]
            else
                parameter + velocity, [ velocity ]

/// Algorithm 1 of the paper, with its bias-corrected moments, and Keras' place of ε.
let private adam: Formula =
    fun settings step rate gradient (parameter, states) ->
        let beta1, beta2 = settings["beta_1"], settings["beta_2"]
        let mean = beta1 * states[0] + (1.0 - beta1) * gradient
        let variance = beta2 * states[1] + (1.0 - beta2) * gradient * gradient
        let correction1, correction2 = 1.0 - beta1 ** float step, 1.0 - beta2 ** float step
        let root = (sqrt variance + settings["epsilon"]) / sqrt correction2
        parameter - rate * (mean / correction1) / root, [ mean; variance ]

/// An optimizer that is added to the catalogue brings its formula here.
let byName: Map<string, Entry> =
    Map
        [ "sgd",
          { Formula = sgd
            Variants = [ [ "momentum", 0.9 ]; [ "momentum", 0.9; "nesterov", 1.0 ] ] }
          "adam",
          { Formula = adam
            Variants = [ [ "beta_1", 0.5; "beta_2", 0.9; "epsilon", 1e-3 ] ] } ]
