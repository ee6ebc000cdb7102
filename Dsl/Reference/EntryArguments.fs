/// What help and the reference say of arguments, settings and numbers in parentheses.
module internal CnnCluster.Dsl.EntryArguments

open CnnCluster.Dsl.Checking
open CnnCluster.Kernels

// ---- arguments of layers ----

let private takes kind =
    match kind with
    | WholeNumber least -> $"a whole number from {least}"
    | RealNumber(least, greatest) -> Suggestion.range (Printer.number least) (Printer.number greatest) (greatest < 1e30)
    | YesNo -> "yes or no"
    | OneOf words -> Suggestion.listed words
    | SizeOf 0 -> "a size, from 0"
    | SizeOf _ -> "a size"
    | PaddingOf -> "a padding"
    | EdgesOf -> "a padding in numbers"
    | ShapeOf -> "a shape"
    | KernelOf -> "a matrix, or a fixed kernel's name"
    | InitialiserOf -> "an initialiser"
    | RegularizerOf -> "a regularizer"

let private called name values =
    let numbers = values |> List.map Printer.number |> String.concat ", "
    $"{name}({numbers})"

/// A scaled initialiser is the same object whenever a script names it.
let private initialiserText initialiser =
    match initialiser with
    | Constant 0.0 -> "zeros"
    | Constant 1.0 -> "ones"
    | Constant value -> called "constant" [ value ]
    | Uniform(low, high) -> called "uniform" [ low; high ]
    | Normal(mean, deviation) -> called "normal" [ mean; deviation ]
    | TruncatedNormal(mean, deviation) -> called "truncated-normal" [ mean; deviation ]
    | ScaledUniform _
    | ScaledNormal _ ->
        Initialiser.all
        |> List.find (fun i -> List.isEmpty i.Arguments && obj.ReferenceEquals(i.Create [], initialiser))
        |> _.Name
    | Given _ -> "given"

let private regularizerText regularizer =
    match regularizer with
    | { L1 = 0.0; L2 = 0.0 } -> "none"
    | { L1 = l1; L2 = 0.0 } -> called "l1" [ l1 ]
    | { L1 = 0.0; L2 = l2 } -> called "l2" [ l2 ]
    | { L1 = l1; L2 = l2 } -> called "elastic" [ l1; l2 ]

let private sized sides =
    sides |> List.map string |> String.concat "x"

let private rowsText rows =
    rows |> List.map (List.map string >> String.concat " ") |> String.concat "; "

let private paddingText padding =
    match padding with
    | Same -> "same"
    | Valid -> "valid"
    | Sides sides when sides |> List.forall (fun (before, after) -> before = after) -> sides |> List.map fst |> sized
    | Sides sides -> "[" + rowsText [ for before, after in sides -> [ before; after ] ] + "]"

/// A value as a script writes it.
let private valueText value =
    match value with
    | WholeValue number -> string number
    | RealValue number -> Printer.number number
    | FlagValue yes -> if yes then "yes" else "no"
    | WordValue word -> word
    | SizeValue sides -> sized sides
    | PaddingValue padding -> paddingText padding
    | ShapeValue shape -> Shape.text shape
    | KernelValue rows -> "[" + rowsText (rows |> List.map (List.map Printer.number)) + "]"
    | InitialiserValue initialiser -> initialiserText initialiser
    | RegularizerValue regularizer -> regularizerText regularizer

let private defaultText standard =
    match standard with
    | Required -> "required"
    | RequiredWithout other -> $"required without {other}"
    | Optional -> "none"
    | Otherwise value -> valueText value
    | ArgumentDefault.As other -> $"as {other}"

let private places = [ "first"; "second"; "third"; "fourth"; "fifth" ]

/// The default, and for an argument that needs no name its place, as in `2, first`.
let private defaultAt (layer: LayerDefinition) (argument: ArgumentDefinition) =
    let order = layer.Arguments |> List.filter _.Positional |> List.map _.Name

    match List.tryFindIndex ((=) argument.Name) order with
    | Some place -> $"{defaultText argument.Default}, {places[place]}"
    | None -> defaultText argument.Default

/// An argument of a layer.
let ofArgument layer (argument: ArgumentDefinition) =
    { Name = argument.Name
      Takes = takes argument.Kind
      Default = defaultAt layer argument
      Doc = argument.Doc }

// ---- settings and numbers in parentheses ----

let private ofSetting (setting: Setting) =
    { Name = setting.Name
      Takes = SettingBinder.range setting
      Default =
        match setting.Kind, Option.ofNullable setting.Default with
        | _, None -> "required"
        // A default that nobody can give stands for none.
        | _, Some value when value < setting.Minimum -> "none"
        | SettingKind.Flag, Some value -> if value = 0.0 then "no" else "yes"
        | _, Some value -> Printer.number value
      Doc = setting.Doc }

let ofSettings (settings: Setting seq) =
    settings |> Seq.map ofSetting |> List.ofSeq

/// Numbers in parentheses.
let ofNumbers (arguments: NumberArgument list) =
    [ for argument in arguments ->
          { Name = argument.Name
            Takes =
              if argument.Least > -NumberArgument.Greatest then
                  $"a number of at least {Printer.number argument.Least}"
              else
                  "a number"
            Default = Printer.number argument.Default
            Doc = "" } ]
