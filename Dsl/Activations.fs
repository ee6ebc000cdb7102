namespace CnnCluster.Dsl

open TorchSharp
open CnnCluster.Kernels

type private Functional = torch.nn.functional

/// What the elements of a value are, as far as losses and metrics must know.
[<RequireQualifiedAccess>]
type ValueKind =
    /// Any numbers: logits, where a loss takes logits.
    | Numbers
    /// Probabilities that are 1 together over the channels.
    | Probabilities
    /// Probabilities, each by itself.
    | Chances
    /// Logarithms of probabilities: logits of a softmax as they are, but not of a sigmoid.
    | LogProbabilities

/// A catalogue entry: an activation, alone on a line or behind a layer. Arguments with their defaults.
type ActivationDefinition =
    {
        Name: string
        Formula: string
        /// The paper; empty if there is none.
        Source: string
        Arguments: NumberArgument list
        /// What it makes of any numbers; `None` gives what it got.
        Gives: ValueKind option
        /// Whether it only picks and cuts, and so is exact in 16 bits too; others are computed in float32.
        Exact: bool
        Apply: float list -> torch.Tensor -> torch.Tensor
    }

/// An activation with its arguments' values.
type Activation =
    { Definition: ActivationDefinition
      Values: float list }

    member activation.Apply x =
        activation.Definition.Apply activation.Values x

module Activation =
    let private plain name formula (apply: torch.Tensor -> torch.Tensor) =
        { Name = name
          Formula = formula
          Source = ""
          Arguments = []
          Gives = Some ValueKind.Numbers
          Exact = false
          Apply = fun _ -> apply }

    let private one name formula argument (apply: float -> torch.Tensor -> torch.Tensor) =
        { Name = name
          Formula = formula
          Source = ""
          Arguments = [ argument ]
          Gives = Some ValueKind.Numbers
          Exact = false
          Apply = List.head >> apply }

    let private from source (definition: ActivationDefinition) = { definition with Source = source }

    let private giving kind (definition: ActivationDefinition) = { definition with Gives = kind }
    let private probabilities = giving (Some ValueKind.Probabilities)
    let private chances = giving (Some ValueKind.Chances)
    let private logarithms = giving (Some ValueKind.LogProbabilities)

    let private exact (definition: ActivationDefinition) = { definition with Exact = true }

    let private scalar (value: float) = Scalars.Of value

    /// ln(1 + eˣ) = −ln σ(−x). libtorch has a function of it, but TorchSharp makes the numbers that it takes: see `Scalars`.
    let private softplus (x: torch.Tensor) = -(Functional.logsigmoid -x)

    /// min(1, max(0, x/6 + 1/2)). At its corners its slope is 0, as Keras and PyTorch have it, and as `clamp` has not.
    let private hardsigmoid (x: torch.Tensor) = x.Plus(3.0).relu6() / scalar 6.0

    /// The same of min(1, max(−1, x)). TorchSharp 0.107 has a `hardtanh`, which returns what it is given.
    let private hardtanh (x: torch.Tensor) =
        torch.where (x.abs().lt(scalar 1.0), x, x.detach().clamp(scalar -1.0, scalar 1.0))

    /// The activations that scripts can name; defaults as in Keras 3.
    let all =
        [ plain "linear" "x" id |> giving None |> exact
          plain "relu" "max(0, x)" (fun x -> x.relu ()) |> exact
          plain "relu6" "min(6, max(0, x))" (fun x -> x.relu6 ()) |> exact
          one "leakyrelu" "x where x > 0, else slope·x" (NumberArgument.any "slope" 0.3) (fun slope x ->
              x.leaky_relu (scalar slope))
          one "elu" "x where x > 0, else alpha·(eˣ − 1)" (NumberArgument.any "alpha" 1.0) (fun alpha x ->
              x.elu (scalar alpha, scalar 1.0, scalar 1.0))
          |> from "Clevert et al., ICLR 2016"
          plain "selu" "1.0507·elu(x) with alpha 1.6733: keeps mean 0 and variance 1" (fun x ->
              Functional.selu (x, false))
          |> from "Klambauer et al., NeurIPS 2017"
          plain "gelu" "x·Φ(x), Φ the normal distribution itself, not an approximation" (fun x -> Functional.gelu x)
          |> from "Hendrycks, Gimpel 2016"
          plain "silu" "x·σ(x), σ the sigmoid" (fun x -> x * x.sigmoid ())
          plain "swish" "another name of silu" (fun x -> x * x.sigmoid ())
          |> from "Ramachandran et al. 2017"
          plain "mish" "x·tanh(ln(1 + eˣ))" (fun x -> x * (softplus x).tanh())
          |> from "Misra 2019"
          plain "softplus" "ln(1 + eˣ)" softplus
          plain "softsign" "x / (1 + |x|)" (fun x -> x / x.abs().Plus(1.0))
          plain "tanh" "tanh x" (fun x -> x.tanh ())
          plain "sigmoid" "1 / (1 + e⁻ˣ)" (fun x -> x.sigmoid ()) |> chances
          plain "hardsigmoid" "min(1, max(0, x/6 + 1/2))" hardsigmoid |> chances
          plain "hardswish" "x·hardsigmoid(x)" (fun x -> x * hardsigmoid x)
          plain "exponential" "eˣ" (fun x -> x.exp ())
          plain "softmax" "eˣ / Σ eˣ, over the channels" (fun x -> x.softmax 1L)
          |> probabilities
          plain "logsoftmax" "x − ln Σ eˣ, over the channels" (fun x -> Functional.log_softmax (x, 1L))
          |> logarithms
          one
              "celu"
              "x where x > 0, else alpha·(e^(x/alpha) − 1)"
              (NumberArgument.atLeast 1e-6 "alpha" 1.0)
              (fun alpha x ->
                  x.relu().Plus(((x.clamp_max (scalar 0.0) / scalar alpha).exp() - scalar 1.0) * scalar alpha))
          |> from "Barron 2017"
          plain "hardtanh" "min(1, max(−1, x))" hardtanh |> exact
          one
              "hardshrink"
              "x where |x| > threshold, else 0"
              (NumberArgument.atLeast 0.0 "threshold" 0.5)
              (fun threshold x -> x * x.abs().gt(scalar threshold).``to`` x.dtype)
          one
              "softshrink"
              "x less threshold where x > threshold, x plus threshold where x < −threshold, else 0"
              (NumberArgument.atLeast 0.0 "threshold" 0.5)
              (fun threshold x -> x - x.clamp (scalar -threshold, scalar threshold))
          plain "tanhshrink" "x − tanh x" (fun x -> x - x.tanh ())
          plain "logsigmoid" "ln(1 / (1 + e⁻ˣ))" (fun x -> Functional.logsigmoid x)
          |> logarithms
          one "squareplus" "(x + √(x² + b)) / 2" (NumberArgument.atLeast 1e-6 "b" 4.0) (fun b x ->
              x.Plus((x * x).Plus(b).sqrt()) / scalar 2.0)
          |> from "Barron 2021"
          plain "sparsesigmoid" "min(1, max(0, (x + 1)/2))" (fun x -> hardsigmoid (x * scalar 3.0))
          |> chances
          plain "sparseplus" "0 where x ≤ −1, (x + 1)²/4 up to x = 1, then x" (fun x ->
              let bend = x.clamp(scalar -1.0, scalar 1.0).Plus 1.0
              (bend * bend / scalar 4.0).Plus((x - scalar 1.0).relu())) ]

    /// Whether it is max(0, x).
    let isRelu (activation: Activation) = activation.Definition.Name = "relu"

    /// The names of those that give one of these.
    let thatGive kinds =
        [ for definition in all do
              if definition.Gives |> Option.exists (fun kind -> List.contains kind kinds) then
                  definition.Name ]

    /// `(name, values)` as printed: `relu`, `leakyrelu(0.1)`.
    let text (activation: Activation) =
        match activation.Values with
        | [] -> activation.Definition.Name
        | values ->
            activation.Definition.Name
            + "("
            + String.concat ", " (List.map Printer.number values)
            + ")"
