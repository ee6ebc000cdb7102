/// Gives a layer's arguments their values: what a use gives, and what stands for the rest.
module internal CnnCluster.Dsl.Checking.Binder

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.GivenArguments

let private missing sink span (layer: LayerDefinition) given (argument: ArgumentDefinition) =
    if given.Misnamed || given.Lost.Contains argument.Name then
        None
    else
        expected sink span $"'{layer.Name}' needs '{argument.Name}'" (Suggestion.phrase argument.Doc)

let private valueOf sink (use': Span) (layer: LayerDefinition) given (argument: ArgumentDefinition) =
    match Map.tryFind argument.Name given.Values, Map.tryFind argument.Name given.Flags, argument.Default with
    | Some written, _, _ -> Conversion.convert sink written.Scope argument.Kind written.Expression
    | None, Some _, _ -> Some(FlagValue true)
    | None, None, Otherwise value -> Some value
    | None, None, RequiredWithout other when given.Values.ContainsKey other -> None
    | None, None, RequiredWithout _
    | None, None, Required -> missing sink use' layer given argument
    | None, None, Optional
    // Filled in from the other argument, once that has its value.
    | None, None, ArgumentDefault.As _ -> None

/// A layer's arguments, and where each was written.
type Bound =
    { Values: ArgumentValues
      Activation: Activation option
      Places: Map<string, Span> }

/// Whether a layer may do without the value of an argument.
let private dispensable (given: Given) (argument: ArgumentDefinition) =
    match argument.Default with
    | Optional -> not (given.Values.ContainsKey argument.Name)
    | RequiredWithout other -> given.Values.ContainsKey other
    | _ -> false

let private valuesOf sink span (layer: LayerDefinition) given =
    let own =
        [ for argument in layer.Arguments do
              match valueOf sink span layer given argument with
              | Some value -> argument.Name, value
              | None -> () ]
        |> Map.ofList

    let copied =
        [ for argument in layer.Arguments do
              match argument.Default with
              | ArgumentDefault.As other when not (own.ContainsKey argument.Name) && own.ContainsKey other ->
                  argument.Name, own[other]
              | _ -> () ]

    List.fold (fun map (name, value) -> Map.add name value map) own copied

/// All mistakes are noted; `None` if there were any.
let bind (sink: Sink) scope (defaults: Defaults) (layer: LayerDefinition) (word: Name) arguments : Bound option =
    let before = sink.Count

    let given = sort sink scope defaults layer arguments

    let activation =
        given.Activation
        |> Option.bind (fun written -> Conversion.activation sink written.Scope written.Expression)

    let values = valuesOf sink word.Span layer given

    // A value may be missing without an error here: of a number whose own error was said where it was defined.
    let complete =
        layer.Arguments
        |> List.forall (fun argument -> values.ContainsKey argument.Name || dispensable given argument)

    if sink.Count > before || not given.Sound || not complete then
        None
    else
        let said = Set.ofSeq (Seq.append given.Values.Keys given.Flags.Keys)

        Some
            { Bound.Values = ArgumentValues(values, said)
              Activation = activation
              Places = given.Values |> Map.map (fun _ written -> written.Expression.Span) }
